/* A disk that fails on demand, preloaded in front of libc. tests/journal/shim.py compiles it and says what it is for.
 *
 *   SHIM_UNDER    only this directory and what is below it are touched by anything here
 *   SHIM_SUFFIX   only files that end so are slow or fail; all of them if it is not set
 *   SHIM_CONTROL  a file with the struct below, shared with whoever watches
 *   SHIM_TRACE    what became durable, one line each: "sync PATH SIZE", "rename OLD NEW",
 *                 "link OLD NEW", "unlink PATH", tabs between
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096
#define REAL(name) ((__typeof__(&name))real_function(#name))

struct control {
    int32_t syncs;       /* matching syncs so far */
    int32_t fail_sync;   /* the number of the one that fails; 0: none */
    int32_t fail_errno;  /* how it fails */
    int32_t slow_us;     /* how much longer every matching sync takes */
    int32_t boundaries;  /* writes, syncs, renames, links and unlinks so far */
    int32_t kill_before; /* the number of the one that never happens; 0: none */
    int32_t fail_writes; /* how every write to a matching file fails; 0: none does */
    int32_t fail_reads;  /* how every read of a matching file fails; 0: none does */
    int32_t held_ms;     /* how long at most every matching sync waits until it is released; 0: none waits */
    int32_t released;    /* the number of the last sync that waits no longer */
    int32_t outwaited;   /* syncs that were not released in that time */
};

static struct control idle;
static volatile struct control *control = (volatile struct control *)&idle;
static const char *under, *suffix;
static int trace = -1;

static void *real_function(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

__attribute__((constructor)) static void prepare(void) {
    const char *path = getenv("SHIM_CONTROL");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor >= 0) {
        void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (shared != MAP_FAILED) control = shared;
        close(descriptor);
    }
    path = getenv("SHIM_TRACE");
    if (path) trace = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    under = getenv("SHIM_UNDER");
    suffix = getenv("SHIM_SUFFIX");
}

static int is_ours(const char *path) {
    size_t length = under ? strlen(under) : 0;
    return length && strncmp(path, under, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int ends_with(const char *path, const char *end) {
    size_t all = strlen(path), length = strlen(end);
    return all >= length && strcmp(path + all - length, end) == 0;
}

static int may_fail(const char *path) {
    return ends_with(path, suffix ? suffix : "");
}

/* The path of an open file of ours; 0 for all others. */
static int path_of(int descriptor, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = under ? readlink(link, path, PATH_BYTES - 1) : -1;
    if (length < 0) return 0;
    path[length] = 0;
    return is_ours(path);
}

/* The path as it is below its directory's name, which may be given as /proc/self/fd/N; of others, as it was given. */
static const char *named(const char *path, char *found) {
    static const char through[] = "/proc/self/fd/";
    char link[64];
    const char *rest = strncmp(path, through, sizeof through - 1) ? NULL : strchr(path + sizeof through - 1, '/');
    if (!rest || (size_t)(rest - path) >= sizeof link) return path;
    memcpy(link, path, rest - path);
    link[rest - path] = 0;
    ssize_t length = readlink(link, found, PATH_BYTES - 1);
    if (length < 0 || (size_t)length + strlen(rest) >= PATH_BYTES) return path;
    strcpy(found + length, rest);
    return found;
}

static void cross_boundary(void) {
    int number = __sync_add_and_fetch(&control->boundaries, 1);
    if (number == control->kill_before) {
        kill(getpid(), SIGKILL);
        for (;;) pause(); /* the signal takes a moment, and nothing more may happen */
    }
}

/* RocksDB's diary is read by nobody, so it makes no difference before which of its lines a process dies. */
static void cross_boundary_in(const char *path) {
    if (!ends_with(path, "/LOG")) cross_boundary();
}

/* Whether this fails, as errno says then. */
static int fails(const char *path, int error) {
    if (!error || !may_fail(path)) return 0;
    errno = error;
    return 1;
}

static void note(const char *line, int length) {
    if (trace >= 0 && REAL(write)(trace, line, length) != length) abort();
}

/* Waits until the sync is released. */
static void hold(int number) {
    int left = control->held_ms;
    while (left > 0 && control->released < number) {
        usleep(1000);
        left--;
    }
    if (control->held_ms && control->released < number) __sync_add_and_fetch(&control->outwaited, 1);
}

static int sync_with(int (*real)(int), int descriptor) {
    char path[PATH_BYTES], line[PATH_BYTES + 64];
    struct stat before;
    if (!path_of(descriptor, path)) return real(descriptor);
    cross_boundary();
    if (may_fail(path)) {
        int number = __sync_add_and_fetch(&control->syncs, 1);
        if (control->slow_us) usleep(control->slow_us);
        hold(number);
        if (number == control->fail_sync) {
            errno = control->fail_errno;
            return -1;
        }
    }
    fstat(descriptor, &before); /* what another thread appends meanwhile is not promised */
    int result = real(descriptor);
    if (result == 0)
        note(line, snprintf(line, sizeof line, "sync\t%s\t%lld\n", path, (long long)before.st_size));
    return result;
}

int fsync(int descriptor) {
    return sync_with(REAL(fsync), descriptor);
}

int fdatasync(int descriptor) {
    return sync_with(REAL(fdatasync), descriptor);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    char path[PATH_BYTES];
    if (path_of(descriptor, path)) {
        cross_boundary_in(path);
        if (fails(path, control->fail_writes)) return -1;
    }
    return REAL(write)(descriptor, bytes, length);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    char path[PATH_BYTES];
    if (path_of(descriptor, path)) cross_boundary_in(path);
    return REAL(pwrite)(descriptor, bytes, length, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
    return pwrite(descriptor, bytes, length, offset);
}

ssize_t pread(int descriptor, void *bytes, size_t length, off_t offset) {
    char path[PATH_BYTES];
    if (control->fail_reads && path_of(descriptor, path) && fails(path, control->fail_reads)) return -1;
    return REAL(pread)(descriptor, bytes, length, offset);
}

ssize_t pread64(int descriptor, void *bytes, size_t length, off64_t offset) {
    return pread(descriptor, bytes, length, offset);
}

int rename(const char *from, const char *to) {
    char line[2 * PATH_BYTES + 64], old[PATH_BYTES], new[PATH_BYTES];
    if (!is_ours(named(to, new))) return REAL(rename)(from, to);
    cross_boundary();
    /* First: a file must not lose its past. */
    note(line, snprintf(line, sizeof line, "rename\t%s\t%s\n", named(from, old), named(to, new)));
    return REAL(rename)(from, to);
}

int link(const char *from, const char *to) {
    char line[2 * PATH_BYTES + 64], old[PATH_BYTES], new[PATH_BYTES];
    if (!is_ours(named(to, new))) return REAL(link)(from, to);
    cross_boundary();
    int result = REAL(link)(from, to);
    if (result == 0)
        note(line, snprintf(line, sizeof line, "link\t%s\t%s\n", named(from, old), named(to, new)));
    return result;
}

int unlink(const char *path) {
    char line[PATH_BYTES + 64], found[PATH_BYTES];
    if (!is_ours(named(path, found))) return REAL(unlink)(path);
    cross_boundary();
    int result = REAL(unlink)(path);
    if (result == 0) note(line, snprintf(line, sizeof line, "unlink\t%s\n", named(path, found)));
    return result;
}
