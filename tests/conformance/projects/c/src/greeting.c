#include "greeting.h"

#include <stdio.h>
#include <unistd.h>

void greeting(char *into, size_t size, const char *name) {
    snprintf(into, size, "hello %s from %s as %d", name, VERSION, (int)getuid());
}
