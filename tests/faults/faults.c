/*
 * One fault, at one exact place of a program's life: preloaded into the real program, it lets one call to the C library fail, or
 * kills the process with SIGKILL before or after it.
 *
 *   FAULT_OP     write | fsync | rename | link | unlink | create    calls on files whose path contains FAULT_AT
 *                send | recv                                        calls on sockets whose bytes contain FAULT_AT
 *   FAULT_AT     the substring
 *   FAULT_NTH    which occurrence, counted from 1 over all threads
 *   FAULT_TIMES  how many occurrences from there on; 0: all (1 when left out)
 *   FAULT_DO     enospc | eio     fail with this error, nothing done
 *                short            write half of the bytes (one byte at least), then go on as if that were all there is room for
 *                kill_before      SIGKILL, nothing done
 *                kill_half        write half of the bytes, then SIGKILL
 *                kill_after       do it, then SIGKILL
 *   FAULT_CLOCK_S  seconds by which the system's clock is ahead, for the whole life of the program; works without the others
 *   FAULT_MARK   a file that is made when the fault has happened, so that a test knows
 *
 * It never touches calls that do not match. Programs that make system calls without the C library are not reached.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum op { NONE, WRITE, FSYNC, RENAME, LINK, UNLINK, CREATE, SEND, RECV };
enum act { GO_ON, FAIL, SHORT, KILL_BEFORE, KILL_HALF, KILL_AFTER };

static enum op op;
static enum act act;
static int error;
static long nth = 1, times = 1, clock_s;
static const char *at = "", *mark;
static atomic_long seen;

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

/* One pointer a function, looked up at its first call. */
#define REAL(type, name, ...)                                  \
    static type (*call)(__VA_ARGS__);                          \
    if (!call) call = (type(*)(__VA_ARGS__))real(name)

__attribute__((constructor)) static void begin(void) {
    static const struct { const char *name; enum op op; } ops[] = {
        {"write", WRITE}, {"fsync", FSYNC}, {"rename", RENAME}, {"link", LINK}, {"unlink", UNLINK},
        {"create", CREATE}, {"send", SEND}, {"recv", RECV}};
    static const struct { const char *name; enum act act; int error; } acts[] = {
        {"enospc", FAIL, ENOSPC}, {"eio", FAIL, EIO}, {"short", SHORT, 0}, {"kill_before", KILL_BEFORE, 0},
        {"kill_half", KILL_HALF, 0}, {"kill_after", KILL_AFTER, 0}};
    const char *text = getenv("FAULT_OP");
    for (size_t i = 0; text && i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(text, ops[i].name)) op = ops[i].op;
    text = getenv("FAULT_DO");
    for (size_t i = 0; text && i < sizeof acts / sizeof *acts; i++)
        if (!strcmp(text, acts[i].name)) act = acts[i].act, error = acts[i].error;
    if ((text = getenv("FAULT_AT"))) at = text;
    if ((text = getenv("FAULT_CLOCK_S"))) clock_s = atol(text);
    if ((text = getenv("FAULT_NTH"))) nth = atol(text);
    if ((text = getenv("FAULT_TIMES"))) times = atol(text);
    mark = getenv("FAULT_MARK");
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(int, "clock_gettime", clockid_t, struct timespec *);
    int done = call(clock, time);
    if (!done && clock == CLOCK_REALTIME) time->tv_sec += clock_s;
    return done;
}

static void note(void) {
    REAL(int, "open", const char *, int, ...);
    int fd = mark ? call(mark, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) close(fd);
}

static _Noreturn void die(void) {
    note();
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What is to happen to a call that matches. */
static enum act due(void) {
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (number < nth || (times && number >= nth + times)) return GO_ON;
    if (act == FAIL || act == SHORT) note();
    if (act == KILL_BEFORE) die();
    return act;
}

static enum act at_path(enum op wanted, const char *path) {
    return op == wanted && path && strstr(path, at) ? due() : GO_ON;
}

/* The path of an open file; empty where it has none. */
static const char *path_of(int fd, char path[PATH_MAX]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static enum act at_file(enum op wanted, int fd) {
    char path[PATH_MAX];
    if (op != wanted) return GO_ON;
    return path_of(fd, path)[0] == '/' ? at_path(wanted, path) : GO_ON;
}

/* The same of a path relative to an open directory. */
static enum act at_path_in(enum op wanted, int dir, const char *path) {
    char folder[PATH_MAX], whole[2 * PATH_MAX];
    if (op != wanted || !path) return GO_ON;
    if (path[0] == '/' || dir == AT_FDCWD) return at_path(wanted, path);
    snprintf(whole, sizeof whole, "%s/%s", path_of(dir, folder), path);
    return at_path(wanted, whole);
}

static enum act at_bytes(enum op wanted, int fd, const void *bytes, size_t length) {
    struct stat facts;
    if (op != wanted || !bytes || fstat(fd, &facts) || !S_ISSOCK(facts.st_mode)) return GO_ON;
    return memmem(bytes, length, at, strlen(at)) ? due() : GO_ON;
}

static size_t half(size_t length) { return length > 1 ? length / 2 : length; }

/* The body of a call that writes `length` bytes: `part(n)` writes the first n of them. */
#define WRITING(action, length, part)                          \
    switch (action) {                                          \
        case FAIL: errno = error; return -1;                   \
        case SHORT: return part(half(length));                 \
        case KILL_HALF: part(half(length)); die();             \
        case KILL_AFTER: part(length); die();                  \
        default: return part(length);                          \
    }

#define PLAIN(action, done)                                    \
    switch (action) {                                          \
        case FAIL: errno = error; return -1;                   \
        case KILL_AFTER: (void)!(done); die();                 \
        default: return done;                                  \
    }

static enum act writing(int fd, const void *bytes, size_t length) {
    return op == SEND ? at_bytes(SEND, fd, bytes, length) : at_file(WRITE, fd);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
#define PART(n) call(fd, bytes, n)
    WRITING(writing(fd, bytes, length), length, PART)
#undef PART
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
#define PART(n) call(fd, bytes, n, offset)
    WRITING(writing(fd, bytes, length), length, PART)
#undef PART
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
#define PART(n) call(fd, bytes, n, offset)
    WRITING(writing(fd, bytes, length), length, PART)
#undef PART
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    enum act action = count > 0 ? writing(fd, parts->iov_base, parts->iov_len) : GO_ON;
    struct iovec first = count > 0 ? *parts : (struct iovec){0};
    switch (action) {
        case FAIL: errno = error; return -1;
        case SHORT: first.iov_len = half(first.iov_len); return call(fd, &first, 1);
        case KILL_HALF: first.iov_len = half(first.iov_len); (void)!call(fd, &first, 1); die();
        case KILL_AFTER: (void)!call(fd, parts, count); die();
        default: return call(fd, parts, count);
    }
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL(ssize_t, "send", int, const void *, size_t, int);
#define PART(n) call(fd, bytes, n, flags)
    WRITING(at_bytes(SEND, fd, bytes, length), length, PART)
#undef PART
}

/* What was received is seen after the call: it is there, and the program has not read it yet. */
static ssize_t received(int fd, const void *bytes, ssize_t length) {
    if (length > 0 && at_bytes(RECV, fd, bytes, (size_t)length) >= KILL_HALF) die();
    return length;
}

ssize_t read(int fd, void *bytes, size_t length) {
    REAL(ssize_t, "read", int, void *, size_t);
    return received(fd, bytes, call(fd, bytes, length));
}

ssize_t readv(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, "readv", int, const struct iovec *, int);
    ssize_t length = call(fd, parts, count);
    if (length > 0) {
        size_t first = (size_t)length < parts->iov_len ? (size_t)length : parts->iov_len;
        received(fd, parts->iov_base, (ssize_t)first);
    }
    return length;
}

ssize_t recv(int fd, void *bytes, size_t length, int flags) {
    REAL(ssize_t, "recv", int, void *, size_t, int);
    return received(fd, bytes, call(fd, bytes, length, flags));
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    PLAIN(at_file(FSYNC, fd), call(fd))
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    PLAIN(at_file(FSYNC, fd), call(fd))
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    PLAIN(at_path(RENAME, to), call(from, to))
}

int renameat(int from_dir, const char *from, int to_dir, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    PLAIN(at_path_in(RENAME, to_dir, to), call(from_dir, from, to_dir, to))
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    PLAIN(at_path_in(RENAME, to_dir, to), call(from_dir, from, to_dir, to, flags))
}

int link(const char *from, const char *to) {
    REAL(int, "link", const char *, const char *);
    PLAIN(at_path(LINK, to), call(from, to))
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    PLAIN(at_path_in(LINK, to_dir, to), call(from_dir, from, to_dir, to, flags))
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    PLAIN(at_path(UNLINK, path), call(path))
}

int unlinkat(int dir, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    PLAIN(at_path_in(UNLINK, dir, path), call(dir, path, flags))
}

/* Opening counts only where it may make a file. */
#define MODE                                                   \
    mode_t mode = 0;                                           \
    if (flags & (O_CREAT | O_TMPFILE)) {                       \
        va_list rest;                                          \
        va_start(rest, flags);                                 \
        mode = va_arg(rest, mode_t);                           \
        va_end(rest);                                          \
    }

int open(const char *path, int flags, ...) {
    REAL(int, "open", const char *, int, ...);
    MODE
    PLAIN(flags & O_CREAT ? at_path(CREATE, path) : GO_ON, call(path, flags, mode))
}

int open64(const char *path, int flags, ...) {
    REAL(int, "open64", const char *, int, ...);
    MODE
    PLAIN(flags & O_CREAT ? at_path(CREATE, path) : GO_ON, call(path, flags, mode))
}

int openat(int dir, const char *path, int flags, ...) {
    REAL(int, "openat", int, const char *, int, ...);
    MODE
    PLAIN(flags & O_CREAT ? at_path_in(CREATE, dir, path) : GO_ON, call(dir, path, flags, mode))
}

int openat64(int dir, const char *path, int flags, ...) {
    REAL(int, "openat64", int, const char *, int, ...);
    MODE
    PLAIN(flags & O_CREAT ? at_path_in(CREATE, dir, path) : GO_ON, call(dir, path, flags, mode))
}

/* The C library has no function for `openat2`. */
long syscall(long number, ...) {
    REAL(long, "syscall", long, ...);
    va_list rest;
    va_start(rest, number);
    long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long);
    long d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
    va_end(rest);
    int creates = number == SYS_openat2 && *(const uint64_t *)c & O_CREAT;
    PLAIN(creates ? at_path_in(CREATE, (int)a, (const char *)b) : GO_ON, call(number, a, b, c, d, e, f))
}
