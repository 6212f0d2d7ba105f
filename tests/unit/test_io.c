// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* gw_io_posix and what is built on a gw_io. Filesystem under test: TMPDIR, else /tmp. */
#include "base/cleanup.h"
#include "engine/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <setjmp.h>

#include <cmocka.h>

static struct gw_io *io;
static char dir[256];

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/godwit-io-XXXXXX", tmp != NULL ? tmp : "/tmp");
    io = gw_io_posix();
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_name(void *arg, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return unlink(path) < 0 && rmdir(path) < 0 ? -errno : 0;
}

static int teardown(void **state)
{
    return gw_io_list(io, dir, remove_name, NULL) < 0 ? -1 : rmdir(dir);
}

static const char *in_dir(const char *name)
{
    static char path[4][600];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

static struct gw_file *open_new(const char *name)
{
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(io, in_dir(name), GW_OPEN_CREATE | GW_OPEN_EXCL, &f), 0);
    return f;
}

static void test_open(void **state)
{
    struct gw_file *f = NULL;
    assert_int_equal(gw_io_open(io, in_dir("none"), 0, &f), -ENOENT);
    assert_int_equal(gw_io_open(io, in_dir("none"), GW_OPEN_RDONLY, &f), -ENOENT);
    assert_int_equal(gw_io_open(io, dir, GW_OPEN_RDONLY, &f), -EISDIR);
    assert_int_equal(gw_io_open(io, "/dev/null", 0, &f), -EINVAL);
    assert_null(f);
    f = open_new("a");
    struct stat st;
    assert_int_equal(stat(in_dir("a"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    gw_file_close(f);
    assert_int_equal(gw_io_open(io, in_dir("a"), GW_OPEN_CREATE | GW_OPEN_EXCL, &f), -EEXIST);
    assert_int_equal(gw_io_open(io, in_dir("a"), GW_OPEN_RDONLY, &f), 0);
    assert_int_equal(gw_io_pwrite(f, "x", 1, 0), -EBADF);
    gw_file_close(f);
    gw_file_close(NULL);
}

static void test_transfer(void **state)
{
    struct gw_file *f = open_new("t");
    uint8_t buf[16];
    memset(buf, 7, sizeof buf);
    assert_int_equal(gw_io_pread(f, buf, sizeof buf, 100), 0);
    for (size_t i = 0; i < sizeof buf; i++)
        assert_int_equal(buf[i], 0);
    assert_int_equal(gw_io_pwrite(f, "hello", 5, 3), 0);
    assert_int_equal(gw_io_pwrite_durable(f, "!!", 2, 8), 0);
    assert_int_equal(gw_io_datasync(f), 0);
    memset(buf, 7, sizeof buf);
    assert_int_equal(gw_io_pread(f, buf, sizeof buf, 0), 0); /* partly past the end */
    assert_memory_equal(buf, "\0\0\0hello!!\0\0\0\0\0\0", 16);
    uint64_t bytes = 0;
    assert_int_equal(gw_io_size(f, &bytes), 0);
    assert_int_equal(bytes, 10);
    assert_int_equal(gw_io_truncate(f, 4), 0);
    assert_int_equal(gw_io_size(f, &bytes), 0);
    assert_int_equal(bytes, 4);
    assert_int_equal(gw_io_pread(f, buf, 0, 0), 0);
    assert_int_equal(gw_io_pread(f, buf, 1, UINT64_MAX), -EFBIG);
    assert_int_equal(gw_io_pwrite(f, buf, 2, INT64_MAX), -EFBIG);
    assert_int_equal(gw_io_truncate(f, UINT64_MAX), -EFBIG);
    gw_file_close(f);
}

static void test_allocate(void **state)
{
    struct gw_file *f = open_new("al");
    assert_int_equal(gw_io_pwrite(f, "keep", 4, 0), 0);
    assert_int_equal(gw_io_allocate(f, 0, 1 << 20), 0);
    struct stat st;
    assert_int_equal(stat(in_dir("al"), &st), 0);
    assert_int_equal(st.st_size, 1 << 20);
    assert_true(st.st_blocks * 512 >= 1 << 20);
    uint8_t buf[5];
    assert_int_equal(gw_io_pread(f, buf, 5, 0), 0);
    assert_memory_equal(buf, "keep", 5);
    /* More than the disk has is refused now. */
    int r = gw_io_allocate(f, 0, 1ull << 50);
    assert_true(r == -ENOSPC || r == -EFBIG);
    gw_file_close(f);
}

/* Fill with 0xaa, zero [off, off+len), compare every byte and the size. */
static void check_zero(struct gw_file *f, uint64_t size, uint64_t off, uint64_t len, unsigned flags)
{
    uint8_t *want = malloc(size), *got = malloc(size);
    memset(want, 0xaa, size);
    assert_int_equal(gw_io_pwrite(f, want, size, 0), 0);
    int r = gw_io_zero(f, off, len, flags);
    if (r == -EOPNOTSUPP && (flags & GW_ZERO_FAST) != 0) {
        free(want);
        free(got);
        return; /* allowed, and nothing to compare */
    }
    assert_int_equal(r, 0);
    if (off < size)
        memset(want + off, 0, off + len > size ? size - off : len);
    assert_int_equal(gw_io_pread(f, got, size, 0), 0);
    assert_memory_equal(want, got, size);
    uint64_t bytes = 0;
    assert_int_equal(gw_io_size(f, &bytes), 0);
    assert_int_equal(bytes, size);
    free(want);
    free(got);
}

static void check_zeros(struct gw_file *f, uint64_t size)
{
    for (unsigned flags = 0; flags < 4; flags++) {
        check_zero(f, size, 0, size, flags);
        check_zero(f, size, 65536, 65536, flags);
        check_zero(f, size, 4096, 0, flags);
        check_zero(f, size, 1000, 70000, flags); /* no alignment at all */
        check_zero(f, size, size - 100, 5000, flags);
        check_zero(f, size, size + 5, 5000, flags);
    }
}

static void test_zero(void **state)
{
    struct gw_file *f = open_new("z");
    check_zeros(f, 1 << 18);
    struct stat before, after;
    check_zero(f, 1 << 18, 0, 0, 0);
    assert_int_equal(stat(in_dir("z"), &before), 0);
    if (gw_io_zero(f, 0, 1 << 18, GW_ZERO_PUNCH | GW_ZERO_FAST) == 0) {
        assert_int_equal(stat(in_dir("z"), &after), 0);
        assert_true(after.st_blocks < before.st_blocks);
    }
    assert_int_equal(gw_io_zero(f, UINT64_MAX, 2, 0), -EFBIG);
    gw_file_close(f);
}

/* Walk the data of [0, end): no run may be empty or overlap, and all of `data` must be covered. */
static uint64_t walk(struct gw_file *f, uint64_t end, uint64_t data_off, uint64_t data_len)
{
    uint64_t at = 0, covered = 0, total = 0;
    while (at < end) {
        uint64_t start = 1, stop = 1;
        assert_int_equal(gw_io_next_data(f, at, end, &start, &stop), 0);
        if (start == end) {
            assert_int_equal(stop, end);
            break;
        }
        assert_true(start >= at && stop > start && stop <= end);
        uint64_t lo = start > data_off ? start : data_off;
        uint64_t hi = stop < data_off + data_len ? stop : data_off + data_len;
        covered += hi > lo ? hi - lo : 0;
        total += stop - start;
        at = stop;
    }
    assert_int_equal(covered, data_len);
    return total;
}

static void test_next_data(void **state)
{
    struct gw_file *f = open_new("nd");
    uint8_t buf[8192];
    memset(buf, 1, sizeof buf);
    assert_int_equal(walk(f, 4096, 0, 0), 0); /* empty file, asked past its end */
    assert_int_equal(gw_io_truncate(f, 64 << 20), 0);
    assert_int_equal(walk(f, 64 << 20, 0, 0), 0); /* one hole: ENXIO inside */
    assert_int_equal(gw_io_pwrite(f, buf, sizeof buf, 32 << 20), 0);
    assert_true(walk(f, 64 << 20, 32 << 20, sizeof buf) < 1 << 20);
    uint64_t start = 0, stop = 0;
    assert_int_equal(gw_io_next_data(f, (32 << 20) + 10, (32 << 20) + 20, &start, &stop), 0);
    assert_int_equal(start, (32 << 20) + 10);
    assert_int_equal(stop, (32 << 20) + 20);
    assert_int_equal(gw_io_next_data(f, 0, 1000, &start, &stop), 0);
    assert_int_equal(start, 1000);
    assert_int_equal(stop, 1000);
    assert_int_equal(gw_io_next_data(f, 50, 50, &start, &stop), 0);
    assert_int_equal(start, 50);
    assert_int_equal(stop, 50);
    assert_int_equal(gw_io_next_data(f, 0, UINT64_MAX, &start, &stop), -EFBIG);
    gw_file_close(f);
}

static void test_clone(void **state)
{
    struct gw_file *src = open_new("cs"), *dst = open_new("cd");
    assert_int_equal(gw_io_pwrite(src, "content", 8, 0), 0);
    int r = gw_io_clone(dst, src);
    if (r == 0) {
        char buf[8];
        assert_int_equal(gw_io_pread(dst, buf, 8, 0), 0);
        assert_string_equal(buf, "content");
        assert_int_equal(gw_io_pwrite(src, "another", 8, 0), 0);
        assert_int_equal(gw_io_pread(dst, buf, 8, 0), 0);
        assert_string_equal(buf, "content");
    } else {
        assert_int_equal(r, -EOPNOTSUPP);
    }
    gw_file_close(src);
    gw_file_close(dst);
    /* Across filesystems it can never be. */
    struct gw_file *shm = NULL;
    if (gw_io_open(io, "/dev/shm/godwit-test-io", GW_OPEN_CREATE, &shm) == 0) {
        assert_int_equal(gw_io_open(io, in_dir("cd"), 0, &dst), 0);
        assert_int_equal(gw_io_clone(dst, shm), -EOPNOTSUPP);
        gw_file_close(dst);
        gw_file_close(shm);
        unlink("/dev/shm/godwit-test-io");
    }
}

static int count_name(void *arg, const char *name)
{
    int *n = arg;
    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    return ++*n == 2 ? 42 : 0;
}

static void test_names(void **state)
{
    assert_int_equal(gw_io_mkdir(io, in_dir("d")), 0);
    assert_int_equal(gw_io_mkdir(io, in_dir("d")), -EEXIST);
    int n = 0;
    assert_int_equal(gw_io_list(io, in_dir("d"), count_name, &n), 0);
    assert_int_equal(n, 0);
    gw_file_close(open_new("d/1"));
    gw_file_close(open_new("d/2"));
    gw_file_close(open_new("d/3"));
    assert_int_equal(gw_io_list(io, in_dir("d"), count_name, &n), 42);
    assert_int_equal(n, 2);
    assert_int_equal(gw_io_rename(io, in_dir("d/1"), in_dir("d/2")), 0);
    assert_int_equal(gw_io_unlink(io, in_dir("d/1")), -ENOENT);
    assert_int_equal(gw_io_sync_dir(io, in_dir("d")), 0);
    assert_int_equal(gw_io_sync_dir(io, in_dir("e")), -ENOENT);
    assert_int_equal(gw_io_rmdir(io, in_dir("d")), -ENOTEMPTY);
    assert_int_equal(gw_io_unlink(io, in_dir("d/2")), 0);
    assert_int_equal(gw_io_unlink(io, in_dir("d/3")), 0);
    assert_int_equal(gw_io_rmdir(io, in_dir("d")), 0);
    assert_int_equal(gw_io_list(io, in_dir("d"), count_name, &n), -ENOENT);
    uint64_t free_bytes = 0;
    assert_int_equal(gw_io_free_bytes(io, dir, &free_bytes), 0);
    assert_true(free_bytes > 0);
}

/* Descriptors of process `pid` that are our lock file. */
static int count_lock(void *arg, const char *name)
{
    char link[300], target[600] = "";
    snprintf(link, sizeof link, "/proc/%d/fd/%s", (int)*(pid_t *)arg, name);
    if (readlink(link, target, sizeof target - 1) > 0 && strcmp(target, in_dir("lock")) == 0)
        return 1;
    return 0;
}

static int has_lock(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    return gw_io_list(io, path, count_lock, &pid);
}

static void test_lock(void **state)
{
    struct gw_file *a = NULL, *b = NULL;
    assert_int_equal(gw_io_lock(io, in_dir("lock"), &a), 0);
    assert_int_equal(gw_io_lock(io, in_dir("lock"), &b), -EWOULDBLOCK);
    /* A child that was forked, and one that runs another program, do not keep it. */
    int ready[2], hold[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(hold), 0);
    pid_t forked = fork();
    if (forked == 0) {
        char c;
        close(hold[1]);
        _exit(read(hold[0], &c, 1) == 0 ? 0 : 1);
    }
    pid_t other = fork();
    if (other == 0) {
        close(hold[1]);
        dup2(hold[0], STDIN_FILENO);
        dup2(ready[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", "echo; exec cat", (char *)NULL);
        _exit(127);
    }
    char c;
    close(hold[0]);
    assert_int_equal(read(ready[0], &c, 1), 1); /* the shell runs: exec is over */
    assert_int_equal(has_lock(getpid()), 1);
    assert_int_equal(has_lock(other), 0);
    gw_file_close(a);
    assert_int_equal(gw_io_lock(io, in_dir("lock"), &b), 0);
    gw_file_close(b);
    close(hold[1]);
    int status = 0;
    assert_int_equal(waitpid(forked, &status, 0), forked);
    assert_int_equal(status, 0);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_int_equal(status, 0);
    close(ready[0]);
    close(ready[1]);
}

static void test_machine(void **state)
{
    uint64_t before = gw_io_boot_ns(io);
    assert_true(before > 0 && gw_io_boot_ns(io) >= before);
    assert_true(gw_io_wall_ns(io) > 1700000000ull * 1000000000ull);
    struct gw_uuid a = gw_io_new_uuid(io), b = gw_io_new_uuid(io);
    assert_false(gw_uuid_equal(&a, &b));
    a = gw_io_boot_id(io);
    b = gw_io_boot_id(io);
    assert_true(gw_uuid_equal(&a, &b));
    assert_false(gw_uuid_is_none(&a));
}

static void test_replace(void **state)
{
    struct gw_error err = { 0 };
    uint8_t *data = NULL;
    size_t len = 0;
    assert_int_equal(gw_io_read_all(io, in_dir("r"), 100, &data, &len, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "cannot open"));
    gw_file_close(open_new("r.tmp")); /* left over from a crash */
    assert_int_equal(gw_io_replace(io, dir, "r", "one", 3, &err), 0);
    assert_int_equal(gw_io_replace(io, dir, "r", "three", 5, &err), 0);
    assert_int_equal(access(in_dir("r.tmp"), F_OK), -1);
    assert_int_equal(gw_io_read_all(io, in_dir("r"), 5, &data, &len, &err), 0);
    assert_int_equal(len, 5);
    assert_memory_equal(data, "three", 6); /* terminated */
    free(data);
    data = NULL;
    assert_int_equal(gw_io_read_all(io, in_dir("r"), 4, &data, &len, &err), -EFBIG);
    assert_null(data);
    assert_int_equal(gw_io_replace(io, dir, "r", "", 0, &err), 0);
    assert_int_equal(gw_io_read_all(io, in_dir("r"), 4, &data, &len, &err), 0);
    assert_int_equal(len, 0);
    free(data);
    assert_int_equal(gw_io_replace(io, in_dir("none"), "r", "", 0, &err), -ENOENT);
    assert_int_equal(err.code, -ENOENT);
    char *name = calloc(1, 5000);
    memset(name, 'n', 4999);
    assert_int_equal(gw_io_replace(io, dir, name, "", 0, &err), -ENAMETOOLONG);
    free(name);
}

/* Runs this program again as `crash-child` with GODWIT_CRASH_POINT=value; returns wait status. */
static int run_crash_child(const char *value)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (value != NULL)
            setenv("GODWIT_CRASH_POINT", value, 1);
        else
            unsetenv("GODWIT_CRASH_POINT");
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        execl("/proc/self/exe", "test_io", "crash-child", dir, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* What the child does: replace "c" by "1", then by "2", then by "3". */
static int crash_child(const char *where)
{
    static const char *const content[] = { "1", "2", "3" };
    for (int i = 0; i < 3; i++) {
        if (gw_io_replace(gw_io_posix(), where, "c", content[i], 1, NULL) < 0)
            return 1;
    }
    return 0;
}

static void check_killed(const char *value, const char *want)
{
    unlink(in_dir("c"));
    int status = run_crash_child(value);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    uint8_t *data = NULL;
    size_t len = 0;
    int r = gw_io_read_all(io, in_dir("c"), 10, &data, &len, NULL);
    assert_int_equal(r, want == NULL ? -ENOENT : 0);
    if (want != NULL)
        assert_string_equal((char *)data, want);
    free(data);
}

static void test_crash_point(void **state)
{
    int status = run_crash_child(NULL);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check_killed("replace.temp", NULL);
    check_killed("replace.synced", NULL);
    check_killed("replace.renamed", "1");
    check_killed("replace.temp:3", "2");
    check_killed("replace.done:2", "2");
    status = run_crash_child("replace.done:4"); /* never reached so often */
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    static const char *const bad[] = { "replace.nothing", "replace.done:0", "replace.done:x",
                                       "replace.done:", ":1" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        status = run_crash_child(bad[i]);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

static void test_crash_names(void **state)
{
    size_t n = 0;
    for (const char *const *p = gw_crash_points; *p != NULL; p++, n++) {
        for (const char *const *q = gw_crash_points; q != p; q++)
            assert_string_not_equal(*p, *q);
    }
    assert_true(n > 20);
}

/* A loop device over a file of `bytes`, gone with its last close; -1 where that is not allowed. */
static int loop_attach(const char *file, char *ret_path, size_t cap)
{
    CLEANUP_CLOSE int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    CLEANUP_CLOSE int back = open(file, O_RDWR | O_CLOEXEC);
    int n = control < 0 || back < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
    if (n < 0)
        return -1;
    snprintf(ret_path, cap, "/dev/loop%d", n);
    int fd = open(ret_path, O_RDWR | O_CLOEXEC);
    struct loop_config c = { .fd = (uint32_t)back, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
    if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &c) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void test_block_device(void **state)
{
    struct gw_file *f = open_new("disk");
    assert_int_equal(gw_io_truncate(f, 1 << 20), 0);
    gw_file_close(f);
    char path[64];
    CLEANUP_CLOSE int holder = loop_attach(in_dir("disk"), path, sizeof path);
    if (holder < 0)
        skip();
    assert_int_equal(gw_io_open(io, path, 0, &f), 0);
    uint64_t bytes = 0, start = 0, stop = 0;
    assert_int_equal(gw_io_size(f, &bytes), 0);
    assert_int_equal(bytes, 1 << 20);
    assert_int_equal(gw_io_next_data(f, 512, 1 << 20, &start, &stop), 0);
    assert_int_equal(start, 512); /* holes are unknown: all data */
    assert_int_equal(stop, 1 << 20);
    check_zeros(f, 1 << 20);
    assert_int_equal(gw_io_pwrite_durable(f, "d", 1, 4096), 0);
    assert_int_equal(gw_io_datasync(f), 0);
    assert_int_equal(gw_io_allocate(f, 0, 1 << 20), 0);
    assert_int_equal(gw_io_allocate(f, 0, (1 << 20) + 1), -ENOSPC);
    assert_int_equal(gw_io_clone(f, f), -EOPNOTSUPP);
    gw_file_close(f);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "crash-child") == 0)
        return crash_child(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),         cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_allocate),     cmocka_unit_test(test_zero),
        cmocka_unit_test(test_next_data),    cmocka_unit_test(test_clone),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_lock),
        cmocka_unit_test(test_machine),      cmocka_unit_test(test_replace),
        cmocka_unit_test(test_crash_point),  cmocka_unit_test(test_crash_names),
        cmocka_unit_test(test_block_device),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
