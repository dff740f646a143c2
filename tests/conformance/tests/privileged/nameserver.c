/* A name server over UDP and TCP: `nameserver NAME=ADDRESS…`. It says each question. */

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER 12
#define TYPE_A 1
#define NO_SUCH_NAME 3

static char **names;

/* Turns the query into its answer and returns the answer's length. */
static size_t answer(unsigned char *message, size_t length, const char *transport) {
    char name[256] = "";
    size_t at = HEADER;
    while (at < length && message[at] != 0) {
        size_t label = message[at];
        if (at + label + 1 >= length || strlen(name) + label + 2 > sizeof name)
            return 0;
        if (name[0] != 0)
            strcat(name, ".");
        strncat(name, (char *)message + at + 1, label);
        at += label + 1;
    }
    at += 5;
    if (at > length)
        return 0;
    unsigned type = message[at - 4] << 8 | message[at - 3];
    printf("%s %s %u\n", transport, name, type);
    fflush(stdout);
    message[2] = 0x80 | (message[2] & 1);
    message[3] = 0x80 | NO_SUCH_NAME;
    memset(message + 6, 0, 6);
    for (char **known = names; *known != NULL; known++) {
        char *value = strchr(*known, '=');
        if (strncasecmp(*known, name, value - *known) != 0 || name[value - *known] != 0)
            continue;
        message[3] = 0x80;
        if (type != TYPE_A)
            break;
        unsigned char record[] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
        message[7] = 1;
        memcpy(message + at, record, sizeof record);
        inet_pton(AF_INET, value + 1, message + at + sizeof record);
        return at + sizeof record + 4;
    }
    return at;
}

int main(int count, char **arguments) {
    (void)count;
    names = arguments + 1;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(53)};
    int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(udp, (void *)&own, sizeof own) != 0 || bind(tcp, (void *)&own, sizeof own) != 0
        || listen(tcp, 8) != 0) {
        perror("listen on port 53");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        unsigned char message[4096 + 64];
        struct sockaddr_in client;
        socklen_t size = sizeof client;
        struct pollfd ready[] = {{.fd = udp, .events = POLLIN}, {.fd = tcp, .events = POLLIN}};
        poll(ready, 2, -1);
        if (ready[0].revents != 0) {
            ssize_t length = recvfrom(udp, message, 4096, 0, (void *)&client, &size);
            size_t answered = length < HEADER ? 0 : answer(message, length, "udp");
            if (answered > 0)
                sendto(udp, message, answered, 0, (void *)&client, size);
        } else {
            int connection = accept(tcp, NULL, NULL);
            ssize_t length = read(connection, message, 4096);
            size_t answered = length < HEADER + 2 ? 0 : answer(message + 2, length - 2, "tcp");
            message[0] = answered >> 8;
            message[1] = answered & 255;
            if (answered > 0 && write(connection, message, answered + 2) < 0)
                perror("answer");
            close(connection);
        }
    }
}
