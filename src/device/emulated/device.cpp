/* The machine that is pretended, and its dice. */
#include "device/emulated/emulated.h"
#include "device/emulated/emulated_impl.h"
#include "device/emulated/number.h"
#include "device/emulated/queue.h"
#include "device/emulated/table.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace lt_emu {

lt_gpu_counts counts;
uint64_t dice_state;
uint64_t seed;
static struct {
    int device; /* -1: none */
    lt_gpu_info info;
} chosen = {-1, {}};

int64_t setting(const char *name, int64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoll(text, nullptr, 10) : otherwise;
}

void dice_begin() { lt_emulated_seed((uint64_t)setting("LT_EMU_SEED", 1)); }

enum { RUNTIME = 13000 };

/* The GPUs that this process sees: number i of them is number to[i] of the machine. */
static int visible(int to[64]) {
    int n = 0, devices = (int)setting("LT_EMU_DEVICES", 8);
    const char *list = getenv("CUDA_VISIBLE_DEVICES");
    for (int i = 0; !list && i < devices && i < 64; i++) to[n++] = i;
    while (list && *list && n < 64) {
        char *end;
        long i = strtol(list, &end, 10);
        if (end == list || i < 0 || i >= devices) break; /* as the driver: what follows is not seen */
        to[n++] = (int)i;
        list = *end == ',' ? end + 1 : end;
    }
    return n;
}

lt_status count(int *n, char *why, size_t bytes) {
    gate g;
    int to[64], driver = (int)setting("LT_EMU_DRIVER", RUNTIME);
    LT_EMU_ENTER("count");
    *n = driver < RUNTIME ? 0 : visible(to);
    if (bytes) *why = 0;
    if (*n == 0) lt_gpu_impl_why_none(why, bytes, driver < RUNTIME, driver, RUNTIME, "no CUDA-capable device is detected");
    return LT_OK;
}

static lt_status fill_info(int device, int physical) {
    int arch = (int)setting("LT_EMU_ARCH", 90);
    lt_gpu_info *info = &chosen.info;
    *info = lt_gpu_info{};
    info->major = arch / 10;
    info->minor = arch % 10;
    (void)snprintf(info->name, sizeof info->name, "emulated GPU");
    LT_TRY(lt_gpu_impl_check_arch(device, info->name, info->major, info->minor));
    (void)snprintf(info->bus_id, sizeof info->bus_id, "0000:%02x:00.0", physical + 1);
    (void)snprintf(info->uuid, sizeof info->uuid, "GPU-656d756c-6174-6564-0000-%012d", physical);
    info->sms = 4;
    info->l2 = 50 << 20;
    info->smem_block = (size_t)(arch == 80 ? 163 : arch >= 90 ? 227 : 99) << 10;
    info->memory = (size_t)setting("LT_EMU_MEMORY", (int64_t)4 << 30);
    info->driver = (int)setting("LT_EMU_DRIVER", RUNTIME);
    info->runtime = RUNTIME;
    info->blas = 130000;
    info->coll = 22800;
    return LT_OK;
}

lt_status open_device(int device, lt_gpu_info *info) {
    gate g;
    int to[64], n = visible(to);
    LT_TRY(fault_check());
    LT_EMU_ENTER("open");
    if (device == LT_GPU_OPENED) device = chosen.device >= 0 ? chosen.device : 0;
    if (chosen.device < 0 || device != chosen.device) {
        if (device < 0 || device >= n || setting("LT_EMU_DRIVER", RUNTIME) < RUNTIME)
            return lt_gpu_impl_failed(n ? LT_GPU_FAILED : LT_GPU_FAILED_NO_DEVICE,
                                      n ? "invalid device ordinal" : "no CUDA-capable device is detected",
                                      n ? "cudaErrorInvalidDevice" : "cudaErrorNoDevice", "open", device, nullptr);
        LT_TRY(fill_info(device, to[device]));
        LT_TRY(memory_begin());
        LT_TRY(fibres_begin());
        memory_limit(chosen.info.memory);
        chosen.device = device;
        if (!dice_state) dice_begin();
        signals_install();
        lt_gpu_set_progress(go_on_a_little);
    }
    *info = chosen.info;
    return LT_OK;
}

int device_open(const lt_gpu_info **info) {
    *info = chosen.device >= 0 ? &chosen.info : nullptr;
    return chosen.device;
}

lt_status words_no_room(size_t bytes, const char *kind, const char *what, size_t left) {
    return lt_gpu_impl_no_room(bytes, kind, what, left, chosen.device, &chosen.info);
}

const lt_gpu_counts *get_counts() { return &counts; }

} // namespace lt_emu

void lt_emulated_seed(uint64_t seed) {
    lt_emu::seed = seed;
    lt_emu::dice_state = (seed + 1) * 0x9E3779B97F4A7C15ULL | 1;
    lt_emu::new_mood();
}
void lt_emulated_read_settings(void) {
    lt_emu::chosen.device = -1;
    lt_emu::read_plan();
}
bool lt_emulated_race(void) { return lt_emu::RACE; }

namespace lt_space_emulated {

uint32_t lt_round_e4m3x2(float low, float high) {
    const lt_gpu_info &info = lt_emu::chosen.info;
    if (lt_emu::at_hand.self && info.major * 10 + info.minor < 89)
        lt_emu::found_in_kernel({}, "E4M3 on a GPU of compute capability %d.%d", info.major, info.minor);
    return lt_round_e4m3(low) | (uint32_t)lt_round_e4m3(high) << 8;
}

} // namespace lt_space_emulated
