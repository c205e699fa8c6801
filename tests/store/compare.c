/* SPDX-License-Identifier: MIT */
/*
 * compare XENSTORED SHIM DIRECTORY SEED REQUESTS: plays the same random requests to Debian's xenstored (on
 * this host, with shim.c in the place of the hypervisor) and to the store, and stops at the first different
 * answer.
 *
 * There are four clients on each side: tools on a socket (here: a transport), which is domain 0, and domains
 * 1 to 3 on rings. After each request all clients take what has come, so that both sides stand still and
 * events can be compared, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/xs_wire.h>
#include "tests/store/compare.h"
#include "toolstack/store/store.h"

#define CLIENTS      COMPARE_DOMAINS
#define SIDES        2 /* 0: xenstored, 1: the store */
#define MESSAGE_MAX  (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)
#define TRANSACTIONS 12
#define SYNC_ID      0xabcdef01u
#define WAIT_MS      200000 /* then a side hangs */

struct message {
    struct xsd_sockmsg header;
    char payload[XENSTORE_PAYLOAD_MAX + 1];
};

static struct store *store;
static struct store_client *tools;
static struct xenstore_domain_interface *rings[SIDES][CLIENTS];
static int oracle_socket, oracle_events;
static pid_t oracle;
static unsigned long done; /* requests so far */
static uint32_t transactions[CLIENTS][TRANSACTIONS][SIDES];

static bool any_order; /* of events */
static struct message last_request;
static unsigned last_client;

static const char *show(const struct message *message);

static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "compare: request %lu: ", done);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n    the last request was domain %u's: %s\n", last_client, show(&last_request));
    if (oracle > 0) {
        kill(oracle, SIGKILL);
    }
    exit(1);
}

/* ------------------------------------------------------------------ bytes */

static void wait_for(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    if (poll(&poll_fd, 1, WAIT_MS) != 1) {
        die("xenstored does not answer");
    }
}

/* Takes events that have come, for xenstored would wait for room; the caller looks at the ring afterwards. */
static void take_events(void)
{
    uint32_t domid;

    while (recv(oracle_events, &domid, sizeof(domid), MSG_DONTWAIT) == sizeof(domid)) {
    }
}

/* Tells the server that something has changed on a ring. */
static void kick(unsigned side, unsigned client)
{
    uint32_t port = client + 1;

    if (side == 0) {
        take_events();
        if (write(oracle_events, &port, sizeof(port)) != sizeof(port)) {
            die("xenstored is gone");
        }
        return;
    }
    store_event(store, (uint16_t)client);
    while (store_dispatch(store)) {
    }
}

/* Waits until the server has changed something. */
static void await(unsigned side)
{
    if (side == 1) {
        die("the store does not answer");
    }
    wait_for(oracle_events);
    take_events();
}

static void ring_send(unsigned side, unsigned client, const char *bytes, size_t length)
{
    struct xenstore_domain_interface *ring = rings[side][client];

    while (length) {
        uint32_t prod = ring->req_prod;
        uint32_t room = XENSTORE_RING_SIZE - (prod - __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE));
        uint32_t part = room < length ? room : (uint32_t)length;
        if (!part) {
            await(side);
            continue;
        }
        for (uint32_t i = 0; i < part; i++) {
            ring->req[MASK_XENSTORE_IDX(prod + i)] = bytes[i];
        }
        __atomic_store_n(&ring->req_prod, prod + part, __ATOMIC_RELEASE);
        bytes += part;
        length -= part;
        kick(side, client);
    }
}

static void ring_receive(unsigned side, unsigned client, char *bytes, size_t length)
{
    struct xenstore_domain_interface *ring = rings[side][client];

    while (length) {
        uint32_t cons = ring->rsp_cons;
        uint32_t used = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE) - cons;
        uint32_t part = used < length ? used : (uint32_t)length;
        if (!part) {
            await(side);
            continue;
        }
        for (uint32_t i = 0; i < part; i++) {
            bytes[i] = ring->rsp[MASK_XENSTORE_IDX(cons + i)];
        }
        __atomic_store_n(&ring->rsp_cons, cons + part, __ATOMIC_RELEASE);
        bytes += part;
        length -= part;
        kick(side, client);
    }
}

static void send_bytes(unsigned side, unsigned client, const void *bytes, size_t length)
{
    if (client) {
        ring_send(side, client, bytes, length);
    } else if (side == 0) {
        if (length && send(oracle_socket, bytes, length, MSG_NOSIGNAL) != (ssize_t)length) {
            die("xenstored has closed the socket");
        }
    } else if (store_client_input(tools, bytes, length) != (long)length) {
        die("the store refuses input");
    }
}

static void receive_bytes(unsigned side, unsigned client, void *bytes, size_t length)
{
    if (client) {
        ring_receive(side, client, bytes, length);
        return;
    }
    if (side == 1) {
        if (store_client_output(tools, bytes, length) != length) {
            die("the store does not answer");
        }
        return;
    }
    while (length) {
        ssize_t got;
        wait_for(oracle_socket);
        got = recv(oracle_socket, bytes, length, 0);
        if (got <= 0) {
            die("xenstored has closed the socket");
        }
        bytes = (char *)bytes + got;
        length -= (size_t)got;
    }
}

/* ------------------------------------------------------------------ messages */

static void send_message(unsigned side, unsigned client, const struct message *message)
{
    char bytes[MESSAGE_MAX];

    memcpy(bytes, &message->header, sizeof(message->header));
    memcpy(bytes + sizeof(message->header), message->payload, message->header.len);
    send_bytes(side, client, bytes, sizeof(message->header) + message->header.len);
}

static void receive_message(unsigned side, unsigned client, struct message *message)
{
    receive_bytes(side, client, &message->header, sizeof(message->header));
    if (message->header.len > XENSTORE_PAYLOAD_MAX) {
        die("side %u sends too long a message", side);
    }
    receive_bytes(side, client, message->payload, message->header.len);
    message->payload[message->header.len] = '\0';
}

/* A message for people. */
static const char *show(const struct message *message)
{
    static char texts[4][1000];
    static unsigned next;
    char *text = texts[next++ % 4];
    size_t length = (size_t)snprintf(text, 100, "type %u, transaction %u, %u bytes: ", message->header.type,
                                     message->header.tx_id, message->header.len);

    for (uint32_t i = 0; i < message->header.len && length < 900; i++) {
        unsigned char c = (unsigned char)message->payload[i];
        length += (size_t)snprintf(text + length, 8, c >= ' ' && c < 127 ? "%c" : c ? "\\x%02x" : "|", c);
    }
    return text;
}

/* Node generations are each server's own. */
static uint32_t skip(const struct message *message)
{
    return message->header.type == XS_DIRECTORY_PART ? (uint32_t)strlen(message->payload) + 1 : 0;
}

/* Both sides' permissions of a request's path and those above. */
static void explain(unsigned client, const struct message *request)
{
    static bool explaining;
    struct message ask, answer;
    char path[XENSTORE_PAYLOAD_MAX + 40] = "";

    if (explaining || request->header.len == 0) {
        return; /* what was found while explaining */
    }
    explaining = true;
    if (request->payload[0] != '/') {
        sprintf(path, "/local/domain/%u/", client);
    }
    strcat(path, request->payload);
    for (; *path; *strrchr(path, '/') = '\0') {
        fprintf(stderr, "    %s", path);
        for (unsigned side = 0; side < SIDES; side++) {
            ask = (struct message){.header = {XS_GET_PERMS, 1, 0, (uint32_t)strlen(path) + 1}};
            strcpy(ask.payload, path);
            send_message(side, 0, &ask);
            do {
                receive_message(side, 0, &answer);
            } while (answer.header.type == XS_WATCH_EVENT);
            fprintf(stderr, "  %s: %s", side ? "here" : "xenstored", strrchr(show(&answer), ':') + 2);
        }
        fputc('\n', stderr);
    }
}

static void expect_equal(unsigned client, const struct message *request, const struct message *theirs,
                         const struct message *ours)
{
    uint32_t from = skip(theirs), our_from = skip(ours);

    if (theirs->header.type == XS_ERROR && !strcmp(theirs->payload, "EIO")) {
        return; /* xenstored has lost its way in a transaction that must fail */
    }
    if (theirs->header.type != ours->header.type || theirs->header.req_id != ours->header.req_id ||
        (theirs->header.type != XS_TRANSACTION_START &&
         (theirs->header.len - from != ours->header.len - our_from ||
          memcmp(theirs->payload + from, ours->payload + our_from, theirs->header.len - from) != 0))) {
        explain(client, request);
        die("domain %u asked: %s\n    xenstored: %s\n    here:      %s", client, show(request), show(theirs),
            show(ours));
    }
}

static int by_payload(const void *one, const void *other)
{
    return memcmp(((const struct message *)one)->payload, ((const struct message *)other)->payload,
                  XENSTORE_PAYLOAD_MAX);
}

/* Reads both sides until the reply to the request; what comes before must be the same events. */
static void exchange(unsigned client, struct message requests[SIDES], struct message replies[SIDES])
{
    static struct message events[SIDES][1000];
    unsigned counts[SIDES] = {0, 0};

    for (unsigned side = 0; side < SIDES; side++) {
        send_message(side, client, &requests[side]);
        for (;;) {
            receive_message(side, client, &replies[side]);
            if (replies[side].header.type != XS_WATCH_EVENT) {
                break;
            }
            if (counts[side] == 1000) {
                die("too many events");
            }
            memset(&events[side][counts[side]], 0, sizeof(struct message));
            memcpy(&events[side][counts[side]++], &replies[side],
                   sizeof(struct xsd_sockmsg) + replies[side].header.len);
        }
    }
    if (any_order) {
        qsort(events[0], counts[0], sizeof(events[0][0]), by_payload);
        qsort(events[1], counts[1], sizeof(events[1][0]), by_payload);
    }
    for (unsigned i = 0; i < counts[0] && i < counts[1]; i++) {
        expect_equal(client, &requests[0], &events[0][i], &events[1][i]);
    }
    if (counts[0] != counts[1]) {
        unsigned more = counts[0] > counts[1] ? 0 : 1;
        explain(client, &events[more][counts[1 - more]]);
        die("domain %u has %u events from xenstored, %u here; the next: %s", client, counts[0], counts[1],
            show(&events[more][counts[1 - more]]));
    }
    expect_equal(client, &requests[0], &replies[0], &replies[1]);
}

static struct message make(uint32_t type, uint32_t id, const char *payload)
{
    struct message message = {.header = {type, 1, id, (uint32_t)strlen(payload)}};

    for (uint32_t i = 0; i < message.header.len; i++) {
        message.payload[i] = (char)(payload[i] == '|' ? '\0' : payload[i]);
    }
    return message;
}

/* All clients take their events. */
static void synchronize(void)
{
    struct message replies[SIDES];

    for (unsigned client = 0; client < CLIENTS; client++) {
        struct message request = make(XS_GET_DOMAIN_PATH, 0, "7|");
        request.header.req_id = SYNC_ID;
        struct message requests[SIDES] = {request, request};
        exchange(client, requests, replies);
    }
}

/* ------------------------------------------------------------------ requests */

static void forget_transactions(unsigned client)
{
    memset(transactions[client], 0, sizeof(transactions[client]));
}

/* Keeps the transactions' numbers, which each side chooses. */
static void note(unsigned client, uint32_t type, unsigned slot, const struct message replies[SIDES])
{
    if (replies[0].header.type != type) {
        const char *error = replies[0].payload;
        if (type == XS_TRANSACTION_END && slot < TRANSACTIONS && strcmp(error, "EINVAL") != 0) {
            memset(transactions[client][slot], 0,
                   sizeof(transactions[client][slot])); /* it has ended all the same */
        }
        if (!strcmp(error, "EIO") && slot < TRANSACTIONS) {
            memset(transactions[client][slot], 0, sizeof(transactions[client][slot])); /* never used again */
        }
        return;
    }
    if (type == XS_TRANSACTION_START) {
        for (unsigned i = 0; i < TRANSACTIONS; i++) {
            if (!transactions[client][i][0]) {
                transactions[client][i][0] = (uint32_t)strtoul(replies[0].payload, NULL, 10);
                transactions[client][i][1] = (uint32_t)strtoul(replies[1].payload, NULL, 10);
                return;
            }
        }
    } else if (type == XS_TRANSACTION_END && slot < TRANSACTIONS) {
        memset(transactions[client][slot], 0, sizeof(transactions[client][slot]));
    } else if (type == XS_RESET_WATCHES) {
        forget_transactions(client);
    }
}

static unsigned live_transaction(unsigned client)
{
    unsigned slot = random_below(TRANSACTIONS);

    for (unsigned i = 0; i < TRANSACTIONS; i++) {
        if (transactions[client][(slot + i) % TRANSACTIONS][0]) {
            return (slot + i) % TRANSACTIONS;
        }
    }
    return TRANSACTIONS;
}

static void one_request(void)
{
    unsigned client = random_below(CLIENTS), slot = TRANSACTIONS;
    struct message requests[SIDES], replies[SIDES];
    uint32_t type = random_kind(), target = 0;
    char text[3000];

    random_payload(client, type, text);
    if (type == XS_TRANSACTION_END ? random_below(20) != 0
                                   : type != XS_TRANSACTION_START && random_below(2)) {
        slot = live_transaction(client);
    }
    for (unsigned side = 0; side < SIDES; side++) {
        uint32_t id = slot < TRANSACTIONS ? transactions[client][slot][side] : 0;
        requests[side] = make(type, random_below(100) ? id : 0, text);
    }
    requests[1].header.tx_id = requests[0].header.tx_id == 0 ? 0
                               : slot < TRANSACTIONS         ? transactions[client][slot][1]
                                                             : 0;
    if (type == XS_INTRODUCE && client == 0) {
        target = (uint32_t)strtoul(requests[0].payload, NULL, 10);
    }
    last_client = client;
    last_request = requests[0];
    if (getenv("COMPARE_TRACE")) {
        printf("%lu: domain %u: %s\n", done, client, show(&requests[0]));
    }
    exchange(client, requests, replies);
    note(client, type, slot, replies);
    if (target && replies[0].header.type == XS_INTRODUCE) {
        forget_transactions(target);
    }
    synchronize();
}

/*
 * A domain is released and introduced again. No transaction goes on meanwhile: what it has written names the
 * old domain, and xenstored takes that for the new one.
 */
static void come_and_go(void)
{
    unsigned domid = 2 + random_below(2);
    struct message replies[SIDES], request;
    char text[40];

    for (unsigned client = 0; client < CLIENTS; client++) {
        for (unsigned slot = 0; slot < TRANSACTIONS; slot++) {
            struct message requests[SIDES];
            for (unsigned side = 0; side < SIDES; side++) {
                requests[side] = make(XS_TRANSACTION_END, transactions[client][slot][side], "F|");
            }
            if (transactions[client][slot][0]) {
                exchange(client, requests, replies);
            }
        }
        forget_transactions(client);
    }
    any_order = true; /* in which its nodes are removed is nobody's business */
    sprintf(text, "%u|", domid);
    request = make(XS_RELEASE, 0, text);
    exchange(0, (struct message[]){request, request}, replies);
    for (unsigned side = 0; side < SIDES; side++) {
        memset(rings[side][domid], 0, sizeof(*rings[side][domid]));
    }
    /*
     * A change in between: else xenstored takes the new domain for older than what it has just touched in the
     * removal.
     */
    request = make(XS_WRITE, 0, "/between|");
    exchange(0, (struct message[]){request, request}, replies);
    sprintf(text, "%u|1|1|", domid);
    request = make(XS_INTRODUCE, 0, text);
    exchange(0, (struct message[]){request, request}, replies);
    if (replies[0].header.type != XS_INTRODUCE) {
        die("xenstored does not introduce domain %u: %s", domid, show(&replies[0]));
    }
    synchronize();
    any_order = false;
}

/* ------------------------------------------------------------------ the two sides */

static void notify(void *context)
{
    (void)context; /* store_dispatch has run when the test looks */
}

static int introduce(void *context, uint16_t domid, uint64_t gfn, uint32_t port)
{
    (void)context;
    (void)gfn;
    (void)port;
    return store_introduce(store, domid, rings[1][domid], notify, NULL);
}

static int release(void *context, uint16_t domid)
{
    (void)context;
    return store_release(store, domid, false);
}

static void start_store(void)
{
    struct store_transport transport = {.introduce = introduce, .release = release};

    store = store_create(NULL);
    tools = store ? store_client_new(store, 0, true, &transport) : NULL;
    if (!tools || store_mkdir(store, "/tool/xenstored") != 0) { /* xenstored begins with it */
        die("no memory");
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        rings[1][i] = calloc(1, 4096);
    }
    if (store_introduce(store, 0, rings[1][0], notify, NULL) != 0) {
        die("no memory");
    }
}

static void start_xenstored(const char *program, const char *shim, const char *directory)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int pages = memfd_create("rings", 0), events[2];

    if (pages < 0 || ftruncate(pages, CLIENTS * 4096) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, events) != 0) {
        die("%s", strerror(errno));
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        rings[0][i] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, pages, (off_t)i * 4096);
    }
    oracle = fork();
    if (oracle == 0) {
        dup2(pages, COMPARE_PAGES_FD);
        dup2(events[1], COMPARE_EVENTS_FD);
        dup2(open("/dev/null", O_WRONLY), 2); /* it tells of each request that it does not know */
        setenv("LD_PRELOAD", shim, 1);
        setenv("XENSTORED_RUNDIR", directory, 1);
        setenv("XENSTORED_ROOTDIR", directory, 1);
        execl(program, program, "--no-fork", "-w", "watch-event=0", (char *)NULL);
        _exit(127);
    }
    close(events[1]);
    oracle_events = events[0];
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
    for (unsigned i = 0;; i++) {
        struct timespec pause = {0, 20000000};
        oracle_socket = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(oracle_socket, (struct sockaddr *)&address, sizeof(address)) == 0) {
            break;
        }
        close(oracle_socket);
        if (i == 1000 || waitpid(oracle, NULL, WNOHANG) != 0) {
            die("xenstored does not start");
        }
        nanosleep(&pause, NULL);
    }
}

int main(int argc, char **argv)
{
    struct message request, replies[SIDES];
    unsigned long count;
    char text[80];

    if (argc != 6) {
        return 2;
    }
    random_state = strtoull(argv[4], NULL, 0);
    count = strtoul(argv[5], NULL, 0);
    start_store();
    start_xenstored(argv[1], argv[2], argv[3]);
    for (unsigned domid = 1; domid < CLIENTS; domid++) {
        sprintf(text, "%u|1|1|", domid);
        request = make(XS_INTRODUCE, 0, text);
        exchange(0, (struct message[]){request, request}, replies);
        sprintf(text, "/local/domain/%u|", domid);
        request = make(XS_MKDIR, 0, text);
        exchange(0, (struct message[]){request, request}, replies);
        sprintf(text, "/local/domain/%u|n%u|", domid, domid);
        request = make(XS_SET_PERMS, 0, text);
        exchange(0, (struct message[]){request, request}, replies);
    }
    for (; done < count; done++) {
        if (random_below(1000) == 0) {
            come_and_go();
        } else {
            one_request();
        }
    }
    kill(oracle, SIGTERM);
    waitpid(oracle, NULL, 0);
    store_destroy(store);
    printf("%lu requests with seed %s: the same answers\n", count, argv[4]);
    return 0;
}
