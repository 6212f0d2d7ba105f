// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Runs a fuzz target over files, without a fuzzer: fuzz_NAME DIRECTORY|FILE...
 *
 * Each input is run as it is, cut at a few places, and with a few bits flipped (the same ones each
 * time), so that the corpus is also a small fuzzer of its own where no libFuzzer is.
 */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (1u << 20)
#define CUTS 8u
#define FLIPS 16u

static unsigned files, runs;

static void run(const uint8_t *data, size_t len)
{
    uint8_t *exact = fuzz_copy(data, len);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    runs++;
}

static void run_variants(uint8_t *data, size_t len)
{
    run(data, len);
    for (size_t i = 0; i < CUTS && i < len; i++)
        run(data, len <= CUTS ? i : i * len / CUTS);
    uint64_t state = len;
    for (size_t i = 0; i < FLIPS && len > 0; i++) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        size_t at = (size_t)(state >> 20) % len;
        uint8_t old = data[at];
        data[at] ^= (uint8_t)(1u << ((state >> 12) % 8));
        run(data, len);
        data[at] = old;
    }
}

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (data == NULL)
        abort();
    size_t len = fread(data, 1, INPUT_BYTES_MAX, f);
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last line before a crash names the input */
    run_variants(data, len);
    free(data);
    files++;
}

static void run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char file[PATH_MAX];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            run_file(file);
        free(names[i]);
    }
    if (n >= 0)
        free(names);
}

int main(int argc, char **argv)
{
    run((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    printf("%u files, %u runs\n", files, runs);
    return files > 0 ? EXIT_SUCCESS : EXIT_FAILURE; /* a replay of nothing tests nothing */
}
