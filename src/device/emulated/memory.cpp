/* Addresses of the emulated device.
 *
 *     | shared memory of the running block | managed memory | device memory |        one reserved range, so that a shadow of it is an array
 *
 * An allocation is whole pages, with a page behind it that nobody may touch (it maps a file without bytes: SIGBUS, whatever the protection); it ends at the
 * end of its last page (up to 256-byte alignment), and the bytes around it are filled and looked at after kernels.  Addresses are never used twice, so what was
 * freed stays unreadable.  Memory begins with poison (NaN as f32 and bf16); large allocations map one poisoned file until they are written.
 *
 * Device memory is readable while work runs (memory_open) and at no other time: host code that follows a device pointer dies at that line. */
#include "device/emulated/memory.h"
#include "device/emulated/shadow.h"

#include "base/mem.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace lt_emu {

static const size_t PAGE = 4096, ALIGN = 256, LARGE = (size_t)2 << 20;
static const unsigned char POISON = 0xFF, GUARD = 0xA5;

struct range {
    char *base;
    size_t bytes, used;
    std::vector<allocation> live; /* by address */
};
static range managed = {nullptr, (size_t)32 << 30, 0, {}}, device = {nullptr, (size_t)192 << 30, 0, {}};
static std::vector<allocation> pinned; /* of the host: ours and others' */
static struct {
    char *base; /* all of it */
    size_t bytes;
    int empty, poison; /* files */
    int open;
    size_t on_device, limit;
} space;

void memory_limit(size_t bytes) { space.limit = bytes; }

static int file_of(size_t bytes) {
    int fd = memfd_create("ltune-emulated", MFD_CLOEXEC);
    if (fd < 0) return -1;
    void *p = ftruncate(fd, (off_t)bytes) != 0 || !bytes ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED) {
        memset(p, POISON, bytes);
        (void)munmap(p, bytes);
    }
    if (p != MAP_FAILED || !bytes) return fd;
    (void)close(fd);
    return -1;
}

lt_status memory_begin() {
    if (space.base) return LT_OK;
    space.bytes = SHARED_BYTES + managed.bytes + device.bytes;
    space.empty = file_of(0);
    space.poison = file_of(LARGE);
    LT_CHECK(space.empty >= 0 && space.poison >= 0, LT_ERR_NOMEM, "an emulated GPU needs memory files (memfd_create)");
    void *p = mmap(nullptr, space.bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    LT_CHECK(p != MAP_FAILED, LT_ERR_NOMEM, "an emulated GPU cannot reserve %zu GiB of addresses (ulimit -v?)", space.bytes >> 30);
    LT_CHECK(mprotect(p, SHARED_BYTES, PROT_READ | PROT_WRITE) == 0, LT_ERR_NOMEM, "an emulated GPU finds no memory");
    space.base = static_cast<char *>(p);
    managed.base = space.base + SHARED_BYTES;
    device.base = managed.base + managed.bytes;
    managed.used = device.used = PAGE;
    return LT_OK;
}

char *shared_base() { return space.base; }
bool in_space(const void *p, size_t *at) {
    *at = (size_t)(static_cast<const char *>(p) - space.base);
    return space.base && *at < space.bytes;
}
bool in_device_range(const void *p) { return space.base && (size_t)(static_cast<const char *>(p) - device.base) < device.bytes; }

static bool map(char *at, size_t bytes, int prot, int fd) {
    int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | (fd < 0 ? MAP_ANONYMOUS : 0);
    return mmap(at, bytes, prot, flags, fd, fd == space.empty ? at - space.base : 0) != MAP_FAILED;
}

void memory_open() {
    if (space.open++ == 0 && space.base) (void)mprotect(device.base, device.used, PROT_READ | PROT_WRITE);
}
void memory_close() {
    if (--space.open == 0 && space.base) (void)mprotect(device.base, device.used, PROT_NONE);
}
bool memory_is_open() { return space.open > 0; }

static lt_status take(range *r, size_t bytes, const char *what, void **p) {
    LT_CHECK(space.base, LT_ERR_CUDA, "CUDA (emulated): memory is asked for and no device is open");
    size_t inner = (std::max<size_t>(bytes, 1) + ALIGN - 1) / ALIGN * ALIGN, n = (inner + PAGE - 1) / PAGE * PAGE;
    LT_CHECK(r->used + n + PAGE <= r->bytes, LT_ERR_NOMEM, "an emulated GPU is out of addresses");
    char *pages = r->base + r->used, *q = pages + n - inner;
    size_t at = 0;
    memory_open();
    bool ok = map(pages + n, PAGE, PROT_READ | PROT_WRITE, space.empty);
    for (; ok && at + LARGE <= n; at += LARGE) ok = map(pages + at, LARGE, PROT_READ | PROT_WRITE, space.poison);
    ok = ok && (at == n || map(pages + at, n - at, PROT_READ | PROT_WRITE, -1));
    if (!ok) memory_close();
    LT_CHECK(ok, LT_ERR_NOMEM, "cannot map %zu bytes of an emulated GPU for %s", bytes, what);
    memset(pages, GUARD, (size_t)(q - pages));
    memset(std::max(q, pages + at), POISON, (size_t)(pages + n - std::max(q, pages + at)));
    memset(q + bytes, GUARD, (size_t)(pages + n - q) - bytes);
    r->used += n + PAGE;
    memory_close();
    r->live.push_back({q, bytes, pages, n, what});
    zone_poison(pages, (size_t)(q - pages));
    zone_poison(q + bytes, (size_t)(pages + n - q) - bytes);
    shadow_new(q, bytes, r == &managed);
    *p = q;
    return LT_OK;
}

static allocation *before(std::vector<allocation> &live, const void *p) {
    const char *q = static_cast<const char *>(p);
    auto it = std::upper_bound(live.begin(), live.end(), q, [](const char *x, const allocation &a) { return x < a.p; });
    return it == live.begin() ? nullptr : &*--it;
}
static allocation *holder(std::vector<allocation> &live, const void *p) {
    allocation *a = before(live, p);
    return a && static_cast<const char *>(p) < a->p + a->bytes ? a : nullptr;
}

static bool give(range *r, void *p) {
    allocation *a = holder(r->live, p);
    if (!a || a->p != p) return false;
    if (r == &device) space.on_device -= a->bytes;
    shadow_gone(a->p, a->bytes);
    zone_clear(a->pages, a->n_pages);
    (void)map(a->pages, a->n_pages, PROT_READ | PROT_WRITE, space.empty);
    r->live.erase(r->live.begin() + (a - r->live.data()));
    return true;
}

size_t room(const void *p, memory_kind *kind) {
    std::vector<allocation> *const all[] = {&device.live, &managed.live, &pinned};
    static const memory_kind kinds[] = {MEMORY_DEVICE, MEMORY_MANAGED, MEMORY_PINNED};
    for (int i = 0; i < 3; i++) {
        const allocation *a = holder(*all[i], p);
        if (kind) *kind = a ? kinds[i] : MEMORY_NONE;
        if (a) return (size_t)(a->p + a->bytes - static_cast<const char *>(p));
    }
    return 0;
}

size_t space_bytes() { return space.bytes; }

bool is_live(const void *p, size_t bytes) {
    static const range *last; /* most accesses are to what was accessed before */
    static size_t at;
    const char *q = static_cast<const char *>(p);
    if (last && at < last->live.size() && q >= last->live[at].p && q + bytes <= last->live[at].p + last->live[at].bytes) return true;
    for (range *r : {&device, &managed}) {
        const allocation *a = holder(r->live, p);
        if (!a || q + bytes > a->p + a->bytes) continue;
        last = r;
        at = (size_t)(a - r->live.data());
        return true;
    }
    return false;
}

bool is_end(const void *p) {
    for (range *r : {&device, &managed}) {
        const allocation *a = before(r->live, p);
        if (a && p == a->p + a->bytes) return true;
    }
    return false;
}

bool fits(const char *what, const void *p, size_t pitch, size_t row_bytes, int64_t rows) {
    memory_kind kind;
    char text[200];
    size_t left = room(p, &kind), need = rows > 0 ? (size_t)(rows - 1) * pitch + row_bytes : 0;
    if (kind != MEMORY_DEVICE && kind != MEMORY_MANAGED)
        found("%s: %p is not device memory (%s)", what, p, describe(p, text, sizeof text));
    else if (left < need)
        found("%s: %zu bytes from %p go past the end of the allocation, which has %zu there (%s)", what, need, p, left,
              describe(p, text, sizeof text));
    else
        return true;
    return false;
}

const char *describe(const void *p, char *text, size_t bytes) {
    const char *q = static_cast<const char *>(p);
    for (range *r : {&device, &managed}) {
        if (!r->base || (size_t)(q - r->base) >= r->bytes) continue;
        const allocation *a = before(r->live, p);
        if (!a || q >= a->pages + a->n_pages + PAGE) {
            const allocation *next = a ? a + 1 : r->live.data();
            bool under = next < r->live.data() + r->live.size() && q >= next->pages;
            if (under)
                (void)snprintf(text, bytes, "%zu bytes before an allocation of %zu bytes for %s", (size_t)(next->p - q), next->bytes,
                               next->what);
            else
                (void)snprintf(text, bytes, (size_t)(q - r->base) < r->used ? "memory that was freed" : "memory that was never allocated");
        } else if (q < a->p + a->bytes)
            (void)snprintf(text, bytes, "byte %zu of %zu allocated for %s", (size_t)(q - a->p), a->bytes, a->what);
        else
            (void)snprintf(text, bytes, "%zu bytes past the end of an allocation of %zu bytes for %s", (size_t)(q - a->p) - a->bytes,
                           a->bytes, a->what);
        return text;
    }
    const allocation *a = holder(pinned, p);
    (void)snprintf(text, bytes, a ? "pinned memory of the host" : (uintptr_t)p < PAGE ? "a null pointer" : "memory of the host");
    return text;
}

NO_SANITIZE static bool all_guard(const char *from, const char *to) {
    while (from < to && (unsigned char)*from == GUARD) from++;
    return from == to;
}

void check_guards(const char *name) {
    for (range *r : {&device, &managed})
        for (const allocation &a : r->live) {
            bool under = !all_guard(std::max(a.pages, a.p - 64), a.p);
            if (!under && all_guard(a.p + a.bytes, a.pages + a.n_pages)) continue;
            found("kernel %s: a write %s an allocation of %zu bytes for %s", name, under ? "before" : "past the end of", a.bytes, a.what);
            return;
        }
}

lt_status alloc(size_t bytes, const char *what, void **p) {
    gate g;
    counts.allocs++;
    LT_EMU_ENTER("alloc");
    if (bytes > space.limit - space.on_device) return words_no_room(bytes, "device memory", what, space.limit - space.on_device);
    LT_TRY(take(&device, bytes, what, p));
    space.on_device += bytes;
    return LT_OK;
}

lt_status alloc_managed(size_t bytes, void **p) {
    gate g;
    LT_EMU_ENTER("alloc_managed");
    return take(&managed, bytes, "a test", p);
}

static void add_pinned(void *p, size_t bytes, bool ours, const char *what) {
    allocation a = {static_cast<char *>(p), bytes, ours ? static_cast<char *>(p) : nullptr, bytes, what};
    pinned.insert(std::upper_bound(pinned.begin(), pinned.end(), a.p, [](const char *x, const allocation &b) { return x < b.p; }), a);
}

lt_status alloc_host(size_t bytes, const char *what, void **p) {
    gate g;
    counts.allocs++;
    LT_EMU_ENTER("alloc_host");
    void *q = aligned_alloc(PAGE, (std::max<size_t>(bytes, 1) + PAGE - 1) / PAGE * PAGE);
    LT_CHECK(q, LT_ERR_NOMEM, "cannot allocate %zu bytes of pinned host memory for %s", bytes, what);
    add_pinned(q, bytes, true, what);
    *p = q;
    return LT_OK;
}

lt_status pin(void *p, size_t bytes) {
    gate g;
    LT_EMU_ENTER("pin");
    LT_CHECK(!holder(pinned, p), LT_ERR_CUDA, "CUDA (emulated): %p is pinned already", p);
    add_pinned(p, bytes, false, "somebody else");
    return LT_OK;
}

/* Ends life as pinned memory; all that might still read or write it has run. */
static void forget_pinned(void *p, bool ours) {
    allocation *a = holder(pinned, p);
    if (!a || a->p != p || (a->pages != nullptr) != ours) {
        found("%s of %p, which is not pinned so", ours ? "free_host" : "unpin", p);
        return;
    }
    pinned.erase(pinned.begin() + (a - pinned.data()));
    if (ours) free(p);
}
void unpin(void *p) {
    drain();
    gate g;
    forget_pinned(p, false);
}
void release_host(void *p) {
    if (!p) return;
    drain();
    gate g;
    forget_pinned(p, true);
}

static void release_from(range *r, void *p, const char *what) {
    if (!p) return;
    drain();
    gate g;
    if (!give(r, p)) found("%s of %p, which is not allocated so", what, p);
}
void release(void *p) { release_from(&device, p, "free"); }
void release_managed(void *p) { release_from(&managed, p, "free_managed"); }

lt_status memory_free(size_t *free_bytes, size_t *total) {
    *total = space.limit;
    *free_bytes = space.limit - space.on_device;
    return LT_OK;
}

} // namespace lt_emu
