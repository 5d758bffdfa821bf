/* Choice of the kernels' level (cpu.h).
 *
 * A level is there when the CPU and its system have every instruction set of it and of those below.  The unit of a level must ask for no more, which
 * the compiler's own macros tell (ops_cpu.c); so -march=native is held to the same rule.  A program with one unit (LT_ARCH) cannot choose kernels;
 * there the level only says what oneDNN may use. */
#include "kernels/cpu/cpu_impl.h"

#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#ifdef LT_CPU_ONE
extern const lt_cpu_unit lt_cpu_unit_one;
#define lt_cpu_unit_v1 lt_cpu_unit_one
#define lt_cpu_unit_v3 lt_cpu_unit_one
#define lt_cpu_unit_v4 lt_cpu_unit_one
static const char built[] = LT_CPU_ONE;
#else
extern const lt_cpu_unit lt_cpu_unit_v1, lt_cpu_unit_v3, lt_cpu_unit_v4;
static const char built[] = "x86-64, x86-64-v3, x86-64-v4";
#endif

typedef struct level {
    const char *name, *adds; /* instruction sets that it has and the one below has not, a blank behind each */
    const lt_cpu_unit *unit;
} level;

static const level ladder[LT_CPU_LEVELS] = {
#ifdef __x86_64__
    [LT_CPU_V1] = {"x86-64", "", &lt_cpu_unit_v1},
#else
    [LT_CPU_V1] = {"one", "", &lt_cpu_unit_v1},
#endif
    [LT_CPU_V3] = {"x86-64-v3", "avx avx2 fma bmi bmi2 ", &lt_cpu_unit_v3},
    [LT_CPU_V4] = {"x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl ", &lt_cpu_unit_v4},
    [LT_CPU_V4_BF16] = {"x86-64-v4+bf16", "avx512bf16 ", &lt_cpu_unit_v4},
    [LT_CPU_V4_AMX] = {"x86-64-v4+amx", "amx-tile amx-bf16 ", &lt_cpu_unit_v4}};

static int now = -1; /* level computed with; -1: not chosen yet */

/* One instruction set, named by the first n characters.  The compiler wants literals.  Names that are not here count as missing. */
static bool cpu_has(const char *name, size_t n) {
#define IS(feature)                                                                                                                        \
    if (n == sizeof feature - 1 && !memcmp(name, feature, n)) return __builtin_cpu_supports(feature)
#ifdef __x86_64__
    IS("avx");
    IS("avx2");
    IS("fma");
    IS("bmi");
    IS("bmi2");
    IS("avx512f");
    IS("avx512bw");
    IS("avx512cd");
    IS("avx512dq");
    IS("avx512vl");
    IS("avx512vbmi");
    IS("avx512ifma");
    IS("avx512vnni");
    IS("avx512vbmi2");
    IS("avx512bitalg");
    IS("avx512vpopcntdq");
    IS("avx512bf16");
#ifndef __clang__ /* version 14 does not know them */
    IS("amx-tile");
    IS("amx-bf16");
#endif
#endif
#undef IS
    return false;
}

/* True if the system lets this process use tiles: Linux keeps room for their state only for who asks (since 5.16; CPUs' XCR0 knew of none before). */
static bool tiles_permitted(void) {
#ifdef SYS_arch_prctl
    enum { REQUEST = 0x1023, TILE_DATA = 18 }; /* ARCH_REQ_XCOMP_PERM; the state's number in XCR0 */
    static int answer = -1;
    if (answer < 0) answer = syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
    return answer;
#else
    return true;
#endif
}

/* The first name in the list that the CPU has not, of *n characters; NULL if it has all. */
static const char *missing(const char *list, size_t *n) {
    for (; (*n = strcspn(list, " ")) > 0; list += *n + 1)
        if (!cpu_has(list, *n)) return list;
    return NULL;
}

lt_cpu_level lt_cpu_impl_highest(void) {
    size_t n;
    int best = LT_CPU_V1;
#ifdef __x86_64__
    __builtin_cpu_init();
#endif
    while (best + 1 < LT_CPU_LEVELS && !missing(ladder[best + 1].adds, &n) && (best + 1 < LT_CPU_V4_AMX || tiles_permitted())) best++;
    return (lt_cpu_level)best;
}

/* LT_CPU, or the highest of all when it is unset; LT_CPU_LEVELS if it names none. */
static lt_cpu_level wished(void) {
    const char *name = getenv("LT_CPU");
    int i = 0;
    if (!name || !*name) return LT_CPU_LEVELS - 1;
    while (i < LT_CPU_LEVELS && strcmp(name, ladder[i].name)) i++;
    return (lt_cpu_level)i;
}

lt_status lt_cpu_check(void) {
    size_t n = 0;
    const char *wish = getenv("LT_CPU");
    LT_CHECK(wished() < LT_CPU_LEVELS, LT_ERR_ARG, "LT_CPU is \"%s\": expected %s, %s, %s, %s or %s", wish, ladder[0].name, ladder[1].name,
             ladder[2].name, ladder[3].name, ladder[4].name);
    LT_CHECK(!wish || !*wish || wished() <= lt_cpu_impl_highest(), LT_ERR_ARG, "LT_CPU is %s, but this CPU has no more than %s: unset it",
             wish, ladder[lt_cpu_impl_highest()].name);
    const char *lacks = missing(ladder[lt_cpu_impl_highest()].unit->needs, &n);
    LT_CHECK(
        !lacks, LT_ERR_ARG,
        "this program was compiled for %s and needs a CPU with %.*s, which this one lacks: build it here, or with -DLT_ARCH=levels for "
        "all nodes of the cluster",
        built, (int)n, lacks);
    return LT_OK;
}

lt_cpu_level lt_cpu_level_now(void) {
    if (now < 0) {
        lt_cpu_level top = lt_cpu_impl_highest(), wish = wished();
        now = (int)(wish < top ? wish : top);
    }
    return (lt_cpu_level)now;
}

const char *lt_cpu_level_name(lt_cpu_level level) { return ladder[level].name; }
const char *lt_cpu_levels_built(void) { return built; }

const lt_ops *lt_ops_cpu(void) { return ladder[lt_cpu_level_now()].unit->ops; }

lt_status lt_cpu_use(lt_cpu_level level) {
    LT_ASSERT(level <= lt_cpu_impl_highest());
    LT_CHECK(level == lt_cpu_level_now() || !lt_cpu_impl_begun(), LT_ERR_INTERNAL,
             "level %s asked for after matrix products were made with %s", ladder[level].name, ladder[now].name);
    now = (int)level;
    return LT_OK;
}
