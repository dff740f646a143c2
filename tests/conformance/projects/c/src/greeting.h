#include <stddef.h>

/* Writes a greeting of at most `size` bytes, the last of which is none. */
void greeting(char *into, size_t size, const char *name);
