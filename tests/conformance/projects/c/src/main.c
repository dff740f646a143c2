#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "greeting.h"

static struct sockaddr_in address = { .sin_family = AF_INET };

static int check(void) {
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    return connect(server, (struct sockaddr *)&address, sizeof address) ? 1 : 0;
}

static void answer(int client) {
    char asked[1024] = "", name[256] = "", said[512], answer[1024];
    if (read(client, asked, sizeof asked - 1) > 0 && sscanf(asked, "GET /%255s", name) == 1) {
        greeting(said, sizeof said, name);
        int length = snprintf(answer, sizeof answer,
            "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(said), said);
        if (write(client, answer, length) != length) perror("write");
    }
    close(client);
}

int main(int count, char **arguments) {
    address.sin_port = htons(8080);
    if (count > 1 && !strcmp(arguments[1], "--check")) return check();
    int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(server, (struct sockaddr *)&address, sizeof address) || listen(server, 8)) return 1;
    for (;;) {
        int client = accept(server, NULL, NULL);
        if (client >= 0) answer(client);
    }
}
