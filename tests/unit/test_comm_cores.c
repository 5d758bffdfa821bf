// TEST np: 0  rooms: comm  labels: unit  timeout: 60
/* Physical cores behind hardware threads, from a made-up folder of the kernel's; threads of ranks that share them. */
#include "lt_test.h"
#include "comm/comm_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/lt_cores_XXXXXX";

static void siblings(int cpu, const char *text) {
    char path[256];
    const char *const part[] = {"", "/topology"};
    for (int i = 0; i < 2; i++) {
        (void)snprintf(path, sizeof path, "%s/cpu%d%s", folder, cpu, part[i]);
        (void)mkdir(path, 0700);
    }
    (void)snprintf(path, sizeof path, "%s/cpu%d/topology/thread_siblings_list", folder, cpu);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_all(int cpus) {
    char path[256];
    const char *const part[] = {"/topology/thread_siblings_list", "/topology", ""};
    for (int cpu = 0; cpu < cpus; cpu++)
        for (int i = 0; i < 3; i++) {
            (void)snprintf(path, sizeof path, "%s/cpu%d%s", folder, cpu, part[i]);
            (void)remove(path);
        }
    CHECK(rmdir(folder) == 0);
}

/* Hardware threads first .. last. */
static lt_cores range(int first, int last) {
    lt_cores c = {{0}};
    for (int i = first; i <= last; i++) c.mask[i / 8] = (unsigned char)(c.mask[i / 8] | 1 << (i % 8));
    return c;
}
static lt_cores both(lt_cores a, lt_cores b) {
    lt_cores_add(&a, &b);
    return a;
}
static lt_cores physical(lt_cores c) {
    lt_cores_physical(&c, folder, &c);
    return c;
}
static void check_physical(lt_cores c, const char *want) {
    char text[128];
    c = physical(c);
    CHECK_STR(lt_cores_str(&c, text, sizeof text), want);
}

/* Threads of each of n ranks on these hardware threads must be `want`. */
static void check_threads(const lt_cores *mask, int n, const int *want) {
    lt_cores all[8];
    for (int r = 0; r < n; r++) all[r] = physical(mask[r]);
    for (int r = 0; r < n; r++) CHECK_INT(lt_cores_share(&all[r], all, n), want[r]);
}

int main(void) {
    CHECK(mkdtemp(folder) != NULL);
    lt_cores whole = range(0, 15), mine, mine_physical;
    /* nothing is known: each for itself */
    check_physical(whole, "0-15");
    CHECK_INT(lt_cores_share(&whole, &whole, 1), 16); /* control: what counting hardware threads gives */

    /* 8 cores with two threads each, numbered as most machines do: i and i + 8 */
    for (int i = 0; i < 16; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%d,%d\n", i % 8, i % 8 + 8);
        siblings(i, text);
    }
    check_physical(whole, "0-7");
    check_physical(range(0, 7), "0-7");
    check_physical(range(8, 15), "0-7"); /* the second threads only: their cores are the same */
    check_physical(range(6, 9), "0-1,6-7");
    check_physical(both(range(3, 3), range(11, 11)), "3");
    check_physical(range(17, 16), "");
    check_threads(&whole, 1, (int[]){8});
    check_threads((lt_cores[]){whole, whole}, 2, (int[]){4, 4});
    check_threads((lt_cores[]){whole, whole, whole}, 3, (int[]){2, 2, 2});
    /* bound to halves of the machine; to first and second threads, which are the same cores though no mask meets another */
    lt_cores left = both(range(0, 3), range(8, 11)), right = both(range(4, 7), range(12, 15)), first = range(0, 7), second = range(8, 15);
    check_threads((lt_cores[]){left, right}, 2, (int[]){4, 4});
    CHECK(!lt_cores_meet(&first, &second));
    check_threads((lt_cores[]){first, second}, 2, (int[]){4, 4});
    check_threads((lt_cores[]){range(5, 5), range(13, 13)}, 2, (int[]){1, 1});
    check_threads((lt_cores[]){left, right, right}, 3, (int[]){4, 2, 2});
    check_threads((lt_cores[]){range(0, 2), range(17, 16)}, 2, (int[]){3, 1}); /* no cores at all: one thread */

    /* the other numbering: 2 i and 2 i + 1; four threads a core */
    for (int i = 0; i < 16; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "%d-%d\n", i / 2 * 2, i / 2 * 2 + 1);
        siblings(i, text);
    }
    check_physical(whole, "0,2,4,6,8,10,12,14");
    check_physical(range(3, 4), "2,4");
    for (int i = 0; i < 16; i++) siblings(i, i < 4 ? "0-3\n" : i < 8 ? "4-7\n" : i < 12 ? "8-11\n" : "12-15\n");
    check_threads(&whole, 1, (int[]){4});

    /* what makes no sense is not believed */
    const char *const wrong[] = {"", "\n", "many", "-3", "15\n", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        siblings(9, wrong[i]);
        check_physical(range(9, 9), "9");
    }
    siblings(9, "8,9");
    check_physical(range(9, 9), "8");
    remove_all(16);

    lt_cores_read(&mine);
    lt_cores_physical(&mine, LT_CPU_FOLDER, &mine_physical);
    int n = lt_cores_count(&mine_physical);
    TEST_REPORT(n >= 1 && n <= lt_cores_count(&mine), "%d physical cores behind %d hardware threads", n, lt_cores_count(&mine));
    printf("here: %d hardware threads of %d cores\n", lt_cores_count(&mine), n);
    return test_end();
}
