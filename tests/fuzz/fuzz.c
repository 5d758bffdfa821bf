/* Files, seeds and parts of inputs for the fuzz harnesses; see fuzz.h. */
#include "fuzz.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[256];
static const char *seeds; /* --seeds: where to */

static void die(const char *what, const char *path) {
    fprintf(stderr, "fuzz: cannot %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

/* --- files --------------------------------------------------------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where) {
    (void)info, (void)flag, (void)where;
    return remove(path);
}
static void remove_dir(void) { (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *fuzz_dir(void) {
    if (*dir) return dir;
    const char *base = getenv("LT_FUZZ_TMP");
    if (!base) base = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    (void)snprintf(dir, sizeof dir, "%.200s/ltune-fuzz-XXXXXX", base);
    if (!mkdtemp(dir)) die("make", dir);
    (void)atexit(remove_dir);
    return dir;
}

const char *fuzz_path(const char *name) {
    static char path[8][400];
    static int next;
    char *p = path[next++ % 8];
    (void)snprintf(p, sizeof path[0], "%s/%.100s", fuzz_dir(), name);
    return p;
}

static void save(const char *path, const fuzz_piece *piece, int n) {
    FILE *f = fopen(path, "wb");
    if (!f) die("write", path);
    for (int i = 0; i < n; i++)
        if (piece[i].bytes && fwrite(piece[i].data, 1, piece[i].bytes, f) != piece[i].bytes) die("write", path);
    if (fclose(f) != 0) die("write", path);
}

void fuzz_write(const char *name, const void *data, size_t bytes) { save(fuzz_path(name), &(fuzz_piece){data, bytes}, 1); }

void fuzz_remove(const char *name) { (void)unlink(fuzz_path(name)); }

void *fuzz_load(const char *path, size_t *bytes) {
    struct stat info;
    FILE *f = fopen(path, "rb");
    if (!f || fstat(fileno(f), &info) != 0) die("read", path);
    char *data = malloc((size_t)info.st_size + 1);
    if (!data || fread(data, 1, (size_t)info.st_size, f) != (size_t)info.st_size) die("read", path);
    data[info.st_size] = 0;
    *bytes = (size_t)info.st_size;
    (void)fclose(f);
    return data;
}

/* --- seeds --------------------------------------------------------------------------------------------------------------------------- */

void fuzz_seed(const fuzz_piece *piece, int n) {
    static int number;
    char path[4300];
    (void)snprintf(path, sizeof path, "%s/seed_%02d", seeds, number++);
    save(path, piece, n);
}

/* The dictionary as libFuzzer reads it: one word in quotes a line, odd bytes as \xNN. */
static void write_words(void) {
    char path[4300];
    (void)snprintf(path, sizeof path, "%s.dict", seeds);
    FILE *f = fopen(path, "w");
    if (!f) die("write", path);
    for (int i = 0; fuzz_words[i]; i++) {
        fputc('"', f);
        for (const char *c = fuzz_words[i]; *c; c++) {
            bool plain = *c >= ' ' && *c <= '~' && *c != '"' && *c != '\\';
            fprintf(f, plain ? "%c" : "\\x%02X", plain ? *c : (unsigned char)*c);
        }
        fputs("\"\n", f);
    }
    if (fclose(f) != 0) die("write", path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)fuzz_dir();
    if (*argc != 3 || strcmp((*argv)[1], "--seeds") != 0) return 0;
    seeds = (*argv)[2];
    if (mkdir(seeds, 0777) != 0 && errno != EEXIST) die("make", seeds);
    fuzz_make_seeds();
    write_words();
    exit(0);
}

/* --- parts --------------------------------------------------------------------------------------------------------------------------- */

fuzz_input fuzz_take_part(fuzz_input *in) {
    fuzz_input part = *in;
    const uint8_t *cut = in->bytes ? memmem(in->data, in->bytes, FUZZ_CUT, strlen(FUZZ_CUT)) : NULL;
    if (cut) part.bytes = (size_t)(cut - in->data);
    size_t taken = part.bytes + (cut ? strlen(FUZZ_CUT) : 0);
    if (taken) in->data += taken; /* an empty input may be NULL */
    in->bytes -= taken;
    return part;
}

unsigned fuzz_take_byte(fuzz_input *in) {
    if (!in->bytes) return 0;
    in->bytes--;
    return *in->data++;
}

uint64_t fuzz_take_number(fuzz_input *in, int n) {
    uint64_t x = 0;
    for (int i = 0; i < n; i++) x |= (uint64_t)fuzz_take_byte(in) << 8 * i;
    return x;
}

char *fuzz_string(fuzz_input part) {
    char *s = malloc(part.bytes + 1);
    if (!s) die("hold", "an input");
    if (part.bytes) memcpy(s, part.data, part.bytes);
    s[part.bytes] = 0;
    return s;
}
