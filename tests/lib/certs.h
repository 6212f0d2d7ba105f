// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Certificates for tests, made on the spot with the GnuTLS library (ECDSA, so it takes
 * milliseconds). Failures of GnuTLS abort: they are not what is tested.
 *
 *     struct test_ca *ca = test_ca_new("test CA");
 *     test_ca_write(ca, dir, "ca");                          DIR/ca.pem
 *     test_cert_write(ca, dir, "lyon", "lyon", 0);           DIR/lyon.pem, DIR/lyon.key
 *     test_ca_free(ca);
 */
#pragma once

struct test_ca;

struct test_ca *test_ca_new(const char *name);
void test_ca_free(struct test_ca *ca);
void test_ca_write(const struct test_ca *ca, const char *dir, const char *stem);

enum test_cert_flag {
    TEST_CERT_EXPIRED = 1,
    TEST_CERT_NOT_YET = 2,
    TEST_CERT_NAME_IN_CN = 4, /* the name is the common name, with no dNSName */
};

/* `name` becomes a dNSName. */
void test_cert_write(const struct test_ca *ca, const char *dir, const char *stem, const char *name,
                     unsigned flags);
