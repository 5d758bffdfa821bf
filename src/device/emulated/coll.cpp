/* Collectives: not yet. */
#include "device/emulated/emulated_impl.h"
#include "device/emulated/table.h"

namespace lt_emu {

static lt_status absent() { return LT_FAIL(LT_ERR_NCCL, "collectives: not in the emulator yet"); }
bool coll_built() { return false; }
lt_status coll_id(unsigned char *) { return absent(); }
lt_status coll_init(const unsigned char *, int, int, const void *, lt_gpu_coll **) { return absent(); }
lt_status all_reduce(lt_gpu_coll *, const void *, void *, int64_t, lt_dtype, lt_stream *) { return absent(); }
lt_status all_gather(lt_gpu_coll *, const void *, void *, int64_t, lt_dtype, lt_stream *) { return absent(); }
lt_status broadcast(lt_gpu_coll *, void *, size_t, int, lt_stream *) { return absent(); }
lt_status coll_error(lt_gpu_coll *) { return LT_OK; }
void coll_fini(lt_gpu_coll *) {}

} // namespace lt_emu
