/* Faults below the C library's file functions, for tests: preloaded into the program, it lets one call fail, or
 * kills the program at it.
 *
 *   cc -shared -fPIC -O2 -o faults.so faults.c -ldl
 *   FAULTS_UNDER=/desk FAULTS_AT=7 FAULTS_KIND=ENOSPC LD_PRELOAD=./faults.so thaw sweep …
 *
 * FAULTS_UNDER  Calls count whose path is relative or begins so, and calls on files that were opened so.
 * FAULTS_AT     The number of the call that fails, from 1; 0 lets none fail.
 * FAULTS_KIND   ENOSPC, EDQUOT, EIO, EACCES, EROFS: that error of a call that writes (open for writing, write, fsync,
 *               rename, mkdir, unlink). EXDEV: of a rename alone. read: EIO of a read, or of an open for reading.
 *               kill: SIGKILL before a call that writes. short: every write takes half of its bytes.
 *               sticky-ENOSPC, sticky-EROFS: that call and all behind it. backwards: each look at the wall clock is an
 *               hour before the last. ahead: each is two days ahead.
 * FAULTS_COUNT  A file that is told how many calls there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096 };
static atomic_char followed[MOST];
static atomic_long calls;
static atomic_long looks;
static long at;
static int error, sticky, shortened, reads, kills, backwards, ahead, renames_only;
static const char *under, *count_file;

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    under = getenv("FAULTS_UNDER");
    count_file = getenv("FAULTS_COUNT");
    const char *text = getenv("FAULTS_AT"), *kind = getenv("FAULTS_KIND");
    at = text ? atol(text) : 0;
    if (!kind) kind = "";
    if (!strncmp(kind, "sticky-", 7)) { sticky = 1; kind += 7; }
    if (!strcmp(kind, "ENOSPC")) error = ENOSPC;
    if (!strcmp(kind, "EDQUOT")) error = EDQUOT;
    if (!strcmp(kind, "EIO")) error = EIO;
    if (!strcmp(kind, "EACCES")) error = EACCES;
    if (!strcmp(kind, "EROFS")) error = EROFS;
    if (!strcmp(kind, "EXDEV")) { error = EXDEV; renames_only = 1; }
    if (!strcmp(kind, "read")) { error = EIO; reads = 1; }
    if (!strcmp(kind, "kill")) kills = 1;
    if (!strcmp(kind, "short")) shortened = 1;
    if (!strcmp(kind, "backwards")) backwards = 1;
    if (!strcmp(kind, "ahead")) ahead = 1;
}

__attribute__((destructor)) static void end(void) {
    if (!count_file) return;
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
    static __typeof__(&open) really_open;
    really_open = (__typeof__(&open))dlsym(RTLD_NEXT, "open");
    int file = really_open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    static ssize_t (*really_write)(int, const void *, size_t);
    really_write = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (file >= 0) { really_write(file, text, (size_t)length); fsync(file); }
}

static int is_under(const char *path) {
    return path && under && (path[0] != '/' || !strncmp(path, under, strlen(under)));
}

static int is_followed(int file) { return file >= 0 && file < MOST && atomic_load(&followed[file]); }

/* Counts a call; returns whether it is to fail. */
static int strikes(int writes, int renames) {
    if (writes == reads || (renames_only && !renames)) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (!at || (sticky ? number < at : number != at)) return 0;
    if (kills) raise(SIGKILL);
    if (!error) return 0;
    errno = error;
    return 1;
}

static int opened(int file, const char *path) {
    if (file >= 0 && file < MOST) atomic_store(&followed[file], (char)is_under(path));
    return file;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        int writes = (flags & O_ACCMODE) != O_RDONLY; \
        if (is_under(path) && !(flags & O_DIRECTORY) && strikes(writes, 0)) return -1; \
        return opened(real(path, flags, mode), path); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list more; va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        int writes = (flags & O_ACCMODE) != O_RDONLY; \
        if (is_under(path) && !(flags & O_DIRECTORY) && strikes(writes, 0)) return -1; \
        return opened(real(folder, path, flags, mode), path); \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int file) {
    REAL(close);
    if (file >= 0 && file < MOST) atomic_store(&followed[file], 0);
    return real(file);
}

ssize_t write(int file, const void *bytes, size_t length) {
    REAL(write);
    if (is_followed(file)) {
        if (strikes(1, 0)) return -1;
        if (shortened && length > 1) length /= 2;
    }
    return real(file, bytes, length);
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    if (is_followed(file)) {
        if (strikes(1, 0)) return -1;
        if (shortened && count > 1) count /= 2;
    }
    return real(file, parts, count);
}

ssize_t read(int file, void *bytes, size_t length) {
    REAL(read);
    if (is_followed(file) && strikes(0, 0)) return -1;
    return real(file, bytes, length);
}

int fsync(int file) {
    REAL(fsync);
    if (is_followed(file) && strikes(1, 0)) return -1;
    return real(file);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    if (is_under(to) && strikes(1, 1)) return -1;
    return real(from, to);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    struct stat there;
    if (is_under(path) && stat(path, &there) && strikes(1, 0)) return -1;
    return real(path, mode);
}

int unlink(const char *path) {
    REAL(unlink);
    if (is_under(path) && strikes(1, 0)) return -1;
    return real(path);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    REAL(clock_gettime);
    int done = real(clock, time);
    if (backwards && clock == CLOCK_REALTIME) time->tv_sec -= 3600 * (atomic_fetch_add(&looks, 1) + 1);
    if (ahead && clock == CLOCK_REALTIME) time->tv_sec += 2 * 24 * 3600;
    return done;
}
