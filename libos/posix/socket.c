/* SPDX-License-Identifier: MIT */
/* The calls on sockets: descriptors, arguments, what all families share. */
#include "libos/posix/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "coracle/clock.h"
#include "libos/posix/thread.h"

static const struct file_ops socket_file_ops;

void socket_init(struct socket *socket, const struct socket_ops *ops, int family, int type, int protocol)
{
    static ino_t last;

    socket->ops = ops;
    socket->family = family;
    socket->type = type;
    socket->protocol = protocol;
    socket->ino = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

struct file *socket_file(struct socket *socket, int flags)
{
    struct file *file = file_new(&socket_file_ops, O_RDWR | (flags & SOCK_NONBLOCK), NULL, socket);

    if (!file)
        socket->ops->release(socket, true);
    return file;
}

void socket_announce(struct socket *socket, short events)
{
    __atomic_fetch_add(&socket->changed, 1, __ATOMIC_SEQ_CST);
    cor_wake(&socket->changed, UINT32_MAX);
    poll_announce(&socket->source, events);
}

int socket_wait(struct socket *socket, struct cor_mutex *lock, uint64_t timeout, uint64_t *deadline)
{
    uint32_t seen = socket->changed;
    int err;

    if (!*deadline)
        *deadline = timeout ? cor_monotonic_ns() + timeout : COR_FOREVER;
    posix_unlock(lock);
    /* A call with a timeout is not started anew after a signal: signal(7). */
    err = posix_wait(&socket->changed, seen, *deadline, timeout == 0);
    posix_lock(lock);
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

ssize_t message_size(const struct msghdr *message)
{
    size_t size = 0;

    if (message->msg_iovlen > IOV_MAX)
        return -EMSGSIZE;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        if (message->msg_iov[i].iov_len > SSIZE_MAX - size)
            return -EINVAL;
        size += message->msg_iov[i].iov_len;
    }
    return (ssize_t)size;
}

/* The file of a descriptor, referenced, if it is a socket's with that operation. */
static int get_socket(int fd, struct file **file, struct socket **socket)
{
    *file = fd_get(fd);
    if (!*file)
        return -EBADF;
    if ((*file)->ops != &socket_file_ops) {
        file_put(*file);
        return -ENOTSOCK;
    }
    *socket = (*file)->state;
    return 0;
}

/* The outermost end of every call here. */
static long finish(long result)
{
    if (result == -EINTR)
        pthread_testcancel();
    return posix_result(result);
}

/* One call of an operation that may be missing: result becomes its value. */
#define CALL(result, fd, operation, ...)                                                                     \
    do {                                                                                                     \
        struct file *file;                                                                                   \
        struct socket *socket;                                                                               \
        (result) = get_socket(fd, &file, &socket);                                                           \
        if ((result) == 0) {                                                                                 \
            (result) = socket->ops->operation ? socket->ops->operation(socket, __VA_ARGS__) : -EOPNOTSUPP;   \
            file_put(file);                                                                                  \
        }                                                                                                    \
    } while (0)

#define NONBLOCK(asked) ((file->flags & O_NONBLOCK) || ((asked)&MSG_DONTWAIT))

int socket(int family, int type, int protocol)
{
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC), err = -EAFNOSUPPORT;
    struct socket *made;
    struct file *file;

    if (family == AF_INET || family == AF_INET6)
        err = inet_socket(family, type & ~flags, protocol, &made);
    if (err)
        return (int)posix_result(err);
    file = socket_file(made, flags);
    return (int)posix_result(file ? fd_install(file, 0, flags & SOCK_CLOEXEC) : -ENFILE);
}

int socketpair(int family, int type, int protocol, int fds[2])
{
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC), err;
    struct socket *ends[2];
    struct file *first, *second;

    if (family != AF_UNIX)
        return (int)posix_result(family == AF_INET || family == AF_INET6 ? -EOPNOTSUPP : -EAFNOSUPPORT);
    if (protocol && protocol != PF_UNIX)
        return (int)posix_result(-EPROTONOSUPPORT);
    err = unix_pair(type & ~flags, ends);
    if (err)
        return (int)posix_result(err);
    first = socket_file(ends[0], flags);
    second = socket_file(ends[1], flags);
    if (!first || !second) {
        file_put(first);
        file_put(second);
        return (int)posix_result(-ENFILE);
    }
    return (int)posix_result(fd_install_pair(first, second, fds, flags & SOCK_CLOEXEC));
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    int result;

    CALL(result, fd, bind, address, length);
    return (int)posix_result(result);
}

int listen(int fd, int backlog)
{
    int result;

    CALL(result, fd, listen, backlog);
    return (int)posix_result(result);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    int result;

    pthread_testcancel();
    CALL(result, fd, connect, address, length, NONBLOCK(0));
    return (int)finish(result);
}

int shutdown(int fd, int how)
{
    int result;

    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return (int)posix_result(-EINVAL);
    CALL(result, fd, shutdown, how);
    return (int)posix_result(result);
}

/* Copies an address to the caller, cut to its room; *length becomes the whole size. */
static void give_address(const struct sockaddr_storage *from, socklen_t size, void *address,
                         socklen_t *length)
{
    memcpy(address, from, size < *length ? size : *length);
    *length = size;
}

static int get_name(int fd, bool peer, struct sockaddr *address, socklen_t *length)
{
    struct sockaddr_storage storage;
    socklen_t size;
    int result;

    CALL(result, fd, name, peer, &storage, &size);
    if (!result)
        give_address(&storage, size, address, length);
    return (int)posix_result(result);
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
    return get_name(fd, false, address, length);
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
    return get_name(fd, true, address, length);
}

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags)
{
    struct sockaddr_storage storage;
    struct socket *accepted;
    struct file *made;
    socklen_t size = 0;
    int result;

    if (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC))
        return (int)posix_result(-EINVAL);
    pthread_testcancel();
    CALL(result, fd, accept, NONBLOCK(0), &accepted);
    if (result)
        return (int)finish(result);
    if (address && accepted->ops->name(accepted, true, &storage, &size) == 0)
        give_address(&storage, size, address, length);
    else if (address)
        *length = 0; /* it has gone already */
    made = socket_file(accepted, flags);
    return (int)posix_result(made ? fd_install(made, 0, flags & SOCK_CLOEXEC) : -ENFILE);
}

int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
    return accept4(fd, address, length, 0);
}

int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict length)
{
    int result;

    CALL(result, fd, get_option, level, name, value, length);
    return (int)posix_result(result);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    int result;

    CALL(result, fd, set_option, level, name, value, length);
    return (int)posix_result(result);
}

/* Whoever writes to what nobody will read gets a signal, unless it asks not to. */
static ssize_t send_message(struct socket *socket, const struct msghdr *message, int flags, bool nonblock)
{
    ssize_t size = message_size(message), result;

    if (size < 0)
        return size;
    result = socket->ops->send(socket, message, flags, nonblock);
    if (result == -EPIPE && socket->type != SOCK_DGRAM && !(flags & MSG_NOSIGNAL))
        pthread_kill(pthread_self(), SIGPIPE);
    return result;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct socket *socket;
    struct file *file;
    ssize_t result;

    pthread_testcancel();
    result = get_socket(fd, &file, &socket);
    if (result == 0) {
        result = send_message(socket, message, flags, NONBLOCK(flags));
        file_put(file);
    }
    return finish(result);
}

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to,
               socklen_t to_length)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = length};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)to,
                             .msg_namelen = to ? to_length : 0,
                             .msg_iov = &iov,
                             .msg_iovlen = 1};

    return sendmsg(fd, &message, flags);
}

ssize_t send(int fd, const void *data, size_t length, int flags)
{
    return sendto(fd, data, length, flags, NULL, 0);
}

static ssize_t receive_message(struct socket *socket, struct msghdr *message, int flags, bool nonblock)
{
    ssize_t size = message_size(message);

    message->msg_flags = 0;
    return size < 0 ? size : socket->ops->receive(socket, message, flags, nonblock);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct sockaddr_storage from;
    struct msghdr inner = *message;
    struct socket *socket;
    struct file *file;
    ssize_t result;

    pthread_testcancel();
    result = get_socket(fd, &file, &socket);
    if (result)
        return finish(result);
    inner.msg_name = &from;
    inner.msg_namelen = 0;
    result = receive_message(socket, &inner, flags, NONBLOCK(flags));
    file_put(file);
    if (result >= 0) {
        if (message->msg_name && inner.msg_namelen)
            give_address(&from, inner.msg_namelen, message->msg_name, &message->msg_namelen);
        else
            message->msg_namelen = 0;
        message->msg_controllen = inner.msg_controllen;
        message->msg_flags = inner.msg_flags;
    }
    return finish(result);
}

ssize_t recvfrom(int fd, void *restrict data, size_t length, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict from_length)
{
    struct iovec iov = {.iov_base = data, .iov_len = length};
    struct msghdr message = {
        .msg_name = from, .msg_namelen = from ? *from_length : 0, .msg_iov = &iov, .msg_iovlen = 1};
    ssize_t result = recvmsg(fd, &message, flags);

    if (result >= 0 && from && message.msg_namelen)
        *from_length = message.msg_namelen;
    return result;
}

ssize_t recv(int fd, void *data, size_t length, int flags)
{
    return recvfrom(fd, data, length, flags, NULL, NULL);
}

int sockatmark(int fd)
{
    struct socket *socket;
    struct file *file;
    int err = get_socket(fd, &file, &socket);

    if (!err)
        file_put(file);
    return (int)posix_result(err); /* urgent data is never apart from the rest: no mark */
}

/* The socket as a file ---------------------------------------------------------------------------------- */

static ssize_t socket_vector(struct file *file, const struct iovec *iov, int count, bool write)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};

    if (write)
        return send_message(file->state, &message, 0, NONBLOCK(0));
    return receive_message(file->state, &message, 0, NONBLOCK(0));
}

static ssize_t socket_read(struct file *file, void *buf, size_t len, off_t pos)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};

    (void)pos;
    return socket_vector(file, &iov, 1, false);
}

static ssize_t socket_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

    (void)pos;
    return socket_vector(file, &iov, 1, true);
}

static int socket_stat(struct file *file, struct stat *st)
{
    const struct socket *socket = file->state;

    *st = (struct stat){
        .st_dev = 4, .st_ino = socket->ino, .st_mode = S_IFSOCK | 0777, .st_nlink = 1, .st_blksize = 4096};
    return 0;
}

static int socket_ioctl(struct file *file, unsigned long request, void *argument)
{
    struct socket *socket = file->state;
    size_t ready;

    if (request != FIONREAD)
        return -ENOTTY;
    ready = socket->ops->readable(socket);
    *(int *)argument = ready < INT_MAX ? (int)ready : INT_MAX;
    return 0;
}

static short socket_poll(struct file *file)
{
    struct socket *socket = file->state;

    return socket->ops->poll(socket);
}

static struct poll_source *socket_source(struct file *file)
{
    struct socket *socket = file->state;

    return &socket->source;
}

static void socket_release(struct file *file)
{
    struct socket *socket = file->state;

    socket->ops->release(socket, file->flags & O_NONBLOCK);
}

static const struct file_ops socket_file_ops = {
    .read = socket_read,
    .write = socket_write,
    .vector = socket_vector,
    .stat = socket_stat,
    .ioctl = socket_ioctl,
    .poll = socket_poll,
    .source = socket_source,
    .release = socket_release,
};
