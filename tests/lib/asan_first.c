// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Preloaded beside libasan into programs that are not instrumented themselves (nbdkit, which loads
 * our instrumented plugin).
 *
 * There ASan initialises at the first malloc, which is in a constructor of libp11-kit, inside
 * newlocale, with glibc's locale lock held. It looks for swift_demangle, does not find it, asks
 * dlerror why, and gettext takes and releases the lock that the thread holds already: its count of
 * readers is -1 for good, and whoever wants it later waits for ever: the process hangs in exit().
 * With the name there is no error.
 */

char *swift_demangle(const char *name);

char *swift_demangle(const char *name)
{
    (void)name;
    return 0;
}
