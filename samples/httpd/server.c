/* SPDX-License-Identifier: MIT */
/*
 * Connections. Each is in one of three states, and each state allows so much time; since that is the same
 * for all in a state, a list in order of entry is a list in order of deadlines.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http.h"
#include "response.h"

enum state { IDLE, READING, SENDING, STATES };

struct connection {
    int fd;
    enum state state;
    bool last; /* closes after this response */
    uint32_t asked;
    int64_t deadline; /* milliseconds */
    struct connection *next, *prev;
    struct request request;
    struct response response;
    size_t sent;                /* bytes of the head */
    size_t pending, pending_at; /* read, and not yet looked at: pipelined requests */
    char input[4096];
};

struct list {
    struct connection *first, *last;
};

static struct server_options options;
static int listener, epoll;
static bool paused; /* no descriptors are left: the listener waits for a connection's end */
static struct list lists[STATES];
static char block[65536];

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void list_remove(struct connection *c)
{
    struct list *list = &lists[c->state];

    *(c->prev ? &c->prev->next : &list->first) = c->next;
    *(c->next ? &c->next->prev : &list->last) = c->prev;
}

static void list_append(struct connection *c, enum state state)
{
    const unsigned seconds[STATES] = {options.idle_seconds, options.head_seconds, options.send_seconds};
    struct list *list = &lists[state];

    c->state = state;
    c->deadline = now_ms() + (int64_t)seconds[state] * 1000;
    c->next = NULL;
    c->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = c;
    list->last = c;
}

static void enter(struct connection *c, enum state state)
{
    list_remove(c);
    list_append(c, state);
}

static void listen_again(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    if (paused && epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) == 0)
        paused = false;
}

static void end(struct connection *c)
{
    list_remove(c);
    response_end(&c->response);
    close(c->fd);
    free(c);
    listen_again();
}

/* Has epoll tell when the connection can be read or, in SENDING, written. */
static void ask(struct connection *c)
{
    uint32_t events = c->state == SENDING ? EPOLLOUT : EPOLLIN;
    struct epoll_event event = {.events = events, .data.ptr = c};

    if (events != c->asked && epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event) == 0)
        c->asked = events;
}

/*
 * Sends what is left of the response. 1 when all is sent, 0 when the client must take some first, -1 when
 * it is gone.
 */
static int send_some(struct connection *c)
{
    struct response *r = &c->response;

    while (c->sent < r->head_length || r->at < r->end) {
        const char *from = r->head + c->sent;
        size_t size = r->head_length - c->sent;
        ssize_t n;

        if (!size) {
            size = (size_t)(r->end - r->at) < sizeof(block) ? (size_t)(r->end - r->at) : sizeof(block);
            n = pread(r->file, block, size, r->at);
            if (n <= 0)
                return -1; /* it has shrunk: the length that was promised cannot be kept */
            from = block;
            size = (size_t)n;
        }
        n = send(c->fd, from, size,
                 MSG_NOSIGNAL | MSG_DONTWAIT | (from != block && r->at < r->end ? MSG_MORE : 0));
        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : -1;
        if (from == block)
            r->at += n;
        else
            c->sent += (size_t)n;
        enter(c, SENDING); /* it moves: the time begins anew */
    }
    return 1;
}

static void log_request(const struct connection *c)
{
    if (options.verbose)
        printf("%s %.*s %d\n", http_method_str((enum http_method)c->request.parser.method),
               (int)c->request.url_length, c->request.text + c->request.url, c->response.status);
}

/* Looks at what has been read. True when there is something to send. */
static bool parse(struct connection *c)
{
    struct request *request = &c->request;

    c->pending_at += request_feed(request, c->input + c->pending_at, c->pending - c->pending_at);
    if (!request->status && !request->complete)
        return false;
    c->sent = 0;
    if (request->status) {
        c->last = true;
        response_error(&c->response, request->status);
    } else {
        c->last = !request->keep_alive;
        response_make(&c->response, request, options.root, !c->last);
    }
    log_request(c);
    return true;
}

/* Takes a connection as far as it goes now. False: it has ended. */
static bool advance(struct connection *c)
{
    for (;;) {
        if (c->state == SENDING) {
            int sent = send_some(c);

            if (sent < 0 || (sent > 0 && c->last))
                return false;
            if (!sent)
                return true;
            response_end(&c->response);
            request_init(&c->request);
            enter(c, IDLE);
        }
        if (c->pending_at == c->pending) {
            ssize_t n = recv(c->fd, c->input, sizeof(c->input), MSG_DONTWAIT);

            if (n == 0)
                return false;
            if (n < 0)
                return errno == EAGAIN || errno == EINTR;
            c->pending_at = 0;
            c->pending = (size_t)n;
        }
        if (c->state == IDLE)
            enter(c, READING);
        if (parse(c))
            enter(c, SENDING);
    }
}

/*
 * After the last response the client may still be sending; closing at once would reset what it has not
 * read yet.
 */
static void close_gently(struct connection *c)
{
    shutdown(c->fd, SHUT_WR);
    while (recv(c->fd, block, sizeof(block), MSG_DONTWAIT) > 0)
        ;
    end(c);
}

static void work(struct connection *c)
{
    if (advance(c))
        ask(c);
    else
        close_gently(c);
}

static void accept_all(void)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;
        struct epoll_event event = {.events = EPOLLIN};
        struct connection *c;

        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            return;
        c = fd < 0 ? NULL : calloc(1, sizeof(*c));
        event.data.ptr = c;
        if (!c || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) {
            /* Nothing is left; the end of a connection gives some back. */
            if (fd >= 0)
                close(fd);
            free(c);
            paused = epoll_ctl(epoll, EPOLL_CTL_DEL, listener, NULL) == 0;
            return;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        c->fd = fd;
        c->asked = EPOLLIN;
        c->response.file = -1;
        request_init(&c->request);
        list_append(c, READING); /* whoever connects has something to say */
        work(c);
    }
}

/* Ends what is overdue. Milliseconds until the next deadline, -1: none. */
static int expire(void)
{
    int64_t now = now_ms(), next = -1;

    for (int state = 0; state < STATES; state++) {
        struct connection *c;

        while ((c = lists[state].first) && c->deadline <= now) {
            if (state == READING && c->request.begun) {
                response_error(&c->response, 408);
                send(c->fd, c->response.head, c->response.head_length, MSG_NOSIGNAL | MSG_DONTWAIT);
            }
            end(c);
        }
        if (c && (next < 0 || c->deadline - now < next))
            next = c->deadline - now;
    }
    return (int)next;
}

/* One socket for both versions of IP, or for IPv4 where there is no other. */
static int listen_socket(void)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(options.port)};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, zero = 0, err;
    bool six = fd >= 0;

    if (!six)
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (six)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    err = six ? bind(fd, (struct sockaddr *)&v6, sizeof(v6)) : bind(fd, (struct sockaddr *)&v4, sizeof(v4));
    if (err || listen(fd, SOMAXCONN)) {
        err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

int server_listen(const struct server_options *wanted)
{
    struct sockaddr_in6 name = {0};
    socklen_t length = sizeof(name);

    options = *wanted;
    if (!strcmp(options.root, "/"))
        options.root = "";
    listener = listen_socket();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    paused = true;
    if (listener < 0 || epoll < 0 || getsockname(listener, (struct sockaddr *)&name, &length))
        return -1;
    listen_again();
    return ntohs(name.sin6_port); /* at the same place for both families */
}

int server_run(void)
{
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll, events, 256, expire());

        if (n < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                work(events[i].data.ptr);
        }
        /* New ones last: the connections of this round must not be freed and made anew while it runs. */
        for (int i = 0; i < n; i++) {
            if (!events[i].data.ptr)
                accept_all();
        }
    }
}
