// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The demo's witness: would it see a record that is missing, moved, doubled, altered or risen from
 * the dead? And its other instruments: the line that can be cut, the comparison of images.
 */
#include "base/cleanup.h"
#include "demo/ledger_reader.h"
#include "demo/ledger_record.h"
#include "demo/programs.h"
#include "demo/proxy.h"
#include "demo/tree.h"
#include "demo/volume.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define RECORDS 40u

static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/godwit-test-XXXXXX");
    return mkdtemp(dir) != NULL && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    struct gw_error err;
    (void)state;
    return chdir("/") == 0 ? tree_remove(dir, &err) : -1;
}

/* ---- ledger -------------------------------------------------------------------------------- */

static struct ledger_record record(uint64_t number, uint8_t *buf)
{
    struct ledger_record r = { .number = number, .wall_ns = 1000 + number, .site = "home" };
    ledger_record_encode(&r, buf);
    return r;
}

static void put(int fd, uint64_t slot, const uint8_t *buf)
{
    assert_int_equal(pwrite(fd, buf, LEDGER_RECORD_BYTES, (off_t)(slot * LEDGER_RECORD_BYTES)),
                     LEDGER_RECORD_BYTES);
}

static void put_record(int fd, uint64_t slot, uint64_t number)
{
    uint8_t buf[LEDGER_RECORD_BYTES];
    record(number, buf);
    put(fd, slot, buf);
}

/* Numbers 1 to RECORDS, all acknowledged, in slots 0 and up. */
static int whole_ledger(struct ledger_book *book)
{
    int fd = open("ledger.img", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    *book = (struct ledger_book){ .n = RECORDS, .entry = calloc(RECORDS, sizeof *book->entry) };
    assert_non_null(book->entry);
    for (uint64_t i = 0; i < RECORDS; i++) {
        uint8_t buf[LEDGER_RECORD_BYTES];
        book->entry[i] =
            (struct ledger_entry){ .sum = record(i + 1, buf).sum, .acknowledged = true };
        put(fd, i, buf);
    }
    return fd;
}

static struct ledger_audit audit(const struct ledger_book *book)
{
    struct ledger_audit a;
    struct gw_error err = { 0 };
    if (ledger_audit("ledger.img", book, &a, &err) < 0)
        fail_msg("%s", err.msg);
    return a;
}

static void test_record(void **state)
{
    uint8_t buf[LEDGER_RECORD_BYTES];
    struct ledger_record r = record(7, buf), back;
    (void)state;
    assert_true(ledger_record_decode(buf, &back));
    assert_int_equal(back.number, 7);
    assert_int_equal(back.sum, r.sum);
    assert_string_equal(back.site, "home");
    for (size_t i = 0; i < sizeof buf; i += 7) {
        buf[i] ^= 1;
        assert_false(ledger_record_decode(buf, &back));
        buf[i] ^= 1;
    }
}

static void test_whole(void **state)
{
    struct ledger_book book;
    CLEANUP_CLOSE int fd = whole_ledger(&book);
    (void)state;
    put_record(fd, RECORDS, RECORDS + 1); /* came after the book: no concern of it */
    book.entry[RECORDS - 1].acknowledged = false;
    struct ledger_audit a = audit(&book);
    assert_true(a.whole && a.prefix);
    assert_int_equal(a.records, RECORDS);
    assert_int_equal(a.acknowledged, RECORDS - 1);
    assert_int_equal(a.in_doubt, 1);
    assert_int_equal(a.missing + a.foreign, 0);
    ledger_audit_done(&a);
    ledger_book_done(&book);
}

static void test_missing(void **state)
{
    static const uint8_t zeros[LEDGER_RECORD_BYTES];
    struct ledger_book book;
    CLEANUP_CLOSE int fd = whole_ledger(&book);
    char text[64];
    (void)state;
    for (uint64_t slot = 30; slot < RECORDS; slot++)
        put(fd, slot, zeros);
    book.entry[RECORDS - 1].acknowledged = false; /* in doubt: not missing */
    struct ledger_audit a = audit(&book);
    assert_true(a.whole && a.prefix);
    assert_int_equal(a.missing, 9);
    ledger_absent_format(&a, text, sizeof text);
    assert_string_equal(text, "31-39");
    ledger_audit_done(&a);

    put(fd, 10, zeros); /* a hole in the middle */
    a = audit(&book);
    assert_false(a.whole);
    assert_false(a.prefix);
    ledger_absent_format(&a, text, sizeof text);
    assert_string_equal(text, "11, 31-39");
    ledger_audit_done(&a);
    ledger_book_done(&book);
}

static void test_altered(void **state)
{
    struct ledger_book book;
    CLEANUP_CLOSE int fd = whole_ledger(&book);
    (void)state;
    put_record(fd, 20, 5); /* doubled, over number 21 */
    struct ledger_audit a = audit(&book);
    assert_false(a.whole);
    assert_int_equal(a.missing, 1);
    ledger_audit_done(&a);

    uint8_t buf[LEDGER_RECORD_BYTES];
    struct ledger_record r = { .number = 21, .wall_ns = 5, .site = "elsewhere" };
    ledger_record_encode(&r, buf); /* a sound record that the client never wrote */
    put(fd, 20, buf);
    a = audit(&book);
    assert_int_equal(a.foreign, 1);
    assert_int_equal(a.missing, 1);
    ledger_audit_done(&a);
    ledger_book_done(&book);
}

/* Only what is missing counts, and only once, and only as it was written. */
static void test_search(void **state)
{
    static const uint8_t zeros[LEDGER_RECORD_BYTES];
    struct ledger_book book;
    struct gw_error err;
    uint64_t found = 0;
    CLEANUP_CLOSE int fd = whole_ledger(&book);
    (void)state;
    for (uint64_t slot = 35; slot < RECORDS; slot++)
        put(fd, slot, zeros);
    struct ledger_audit lost = audit(&book);
    assert_int_equal(lost.missing, 5);

    CLEANUP_CLOSE int tail = open("tail", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(tail, 1 << 20), 0);
    for (uint64_t i = 30; i < 38; i++)
        put_record(tail, 100 + i, i + 1);
    put_record(tail, 300, 36);
    assert_int_equal(ledger_search("tail", &book, &lost, &found, &err), 0);
    assert_int_equal(found, 3); /* 36, 37, 38; 31 to 35 are not lost */
    ledger_audit_done(&lost);
    ledger_book_done(&book);
}

/* ---- volumes ------------------------------------------------------------------------------- */

static void write_at(const char *file, off_t size, off_t at, const char *text)
{
    CLEANUP_CLOSE int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, size), 0);
    assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
}

static void test_volume(void **state)
{
    struct gw_error err;
    uint64_t n = 99;
    (void)state;
    const off_t size = 3 << 20;
    write_at("a", size, 0, "same");
    write_at("b", size, 0, "same");
    assert_int_equal(volume_compare("a", "b", &n, &err), 0);
    assert_int_equal(n, 0);
    write_at("b", size, 4095, "xy"); /* two blocks */
    write_at("b", size, size - 1, "z");
    assert_int_equal(volume_compare("a", "b", &n, &err), 0);
    assert_int_equal(n, 3);

    assert_int_equal(tree_make("out", &err), 0);
    write_at("out/vol.tail", size, 8192, "kept");
    write_at("out/ranges.txt", 0, 0, "other 0 4096\nvol 8192 4096\n");
    assert_int_equal(volume_overlay("a", "out", "vol", &n, &err), 0);
    assert_int_equal(n, 4096);
    char back[5] = "";
    CLEANUP_CLOSE int fd = open("a", O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, back, 4, 8192), 4);
    assert_string_equal(back, "kept");
    assert_int_equal(pread(fd, back, 4, 0), 4);
    assert_string_equal(back, "same");
}

/* ---- proxy --------------------------------------------------------------------------------- */

static struct sockaddr_in address_of(const char *text)
{
    unsigned port = 0;
    assert_int_equal(sscanf(text, "127.0.0.1:%u", &port), 1);
    return (struct sockaddr_in){ .sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int dial(const char *text)
{
    struct sockaddr_in to = address_of(text);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int listener(char *text, size_t cap)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&here, len), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&here, &len), 0);
    snprintf(text, cap, "127.0.0.1:%u", ntohs(here.sin_port));
    return fd;
}

static void test_proxy(void **state)
{
    struct gw_error err;
    struct proxy *p;
    char target[32], buf[8] = "";
    (void)state;
    CLEANUP_CLOSE int server = listener(target, sizeof target);
    assert_int_equal(proxy_new(&p, &err), 0);
    assert_int_equal(proxy_target(p, "10.0.0.1:5", &err), -EINVAL);
    assert_int_equal(proxy_target(p, target, &err), 0);

    int client = dial(proxy_address(p));
    int peer = accept(server, NULL, NULL);
    assert_int_equal(send(client, "ping", 4, 0), 4);
    assert_int_equal(recv(peer, buf, 4, MSG_WAITALL), 4);
    assert_memory_equal(buf, "ping", 4);
    assert_int_equal(send(peer, "pong!", 5, 0), 5);
    assert_int_equal(recv(client, buf, 5, MSG_WAITALL), 5);

    proxy_cut(p); /* both ends see it, and nobody new gets through */
    assert_int_equal(proxy_sent_bytes(p), 4);
    assert_int_equal(proxy_returned_bytes(p), 5);
    assert_true(recv(client, buf, 1, 0) <= 0);
    assert_true(recv(peer, buf, 1, 0) <= 0);
    close(client);
    close(peer);
    client = dial(proxy_address(p));
    assert_true(recv(client, buf, 1, 0) <= 0);
    close(client);

    proxy_mend(p);
    client = dial(proxy_address(p));
    peer = accept(server, NULL, NULL);
    assert_int_equal(send(client, "x", 1, 0), 1);
    assert_int_equal(recv(peer, buf, 1, 0), 1);
    close(client); /* the end is passed on */
    assert_int_equal(recv(peer, buf, 1, 0), 0);
    close(peer);
    proxy_free(p);
}

static void test_programs(void **state)
{
    char path[PATH_MAX];
    struct programs found;
    struct gw_error err;
    (void)state;
    assert_true(program_on_path("sh", path));
    assert_true(path[0] == '/');
    assert_false(program_on_path("no-such-program-anywhere", path));
    assert_int_equal(programs_find(dir, &found, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),  cmocka_unit_test(test_whole),
        cmocka_unit_test(test_missing), cmocka_unit_test(test_altered),
        cmocka_unit_test(test_search),  cmocka_unit_test(test_volume),
        cmocka_unit_test(test_proxy),   cmocka_unit_test(test_programs),
    };
    return cmocka_run_group_tests_name("demo", tests, setup, teardown);
}
