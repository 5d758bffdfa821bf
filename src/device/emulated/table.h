#pragma once
/* Private to device/emulated: the entries of the table. */

#include "device/gpu.h"

/* ../sum.cu */
extern "C" lt_status lt_emulated_sum_parts(lt_stream *s, const float *parts, int count, int64_t ld, int64_t n, float *out);
extern "C" lt_status lt_emulated_sum_bf16(lt_stream *s, const void *parts, int count, int64_t ld, int64_t n, lt_arr onto, float *out);
extern "C" lt_status lt_emulated_round_bf16(lt_stream *s, const float *x, int64_t n, void *out);

namespace lt_emu {

lt_status count(int *n, char *why, size_t bytes);
lt_status open_device(int device, lt_gpu_info *info);
const lt_gpu_counts *get_counts();
lt_status stream_create(bool high, lt_stream **s);
void stream_destroy(lt_stream *s);
lt_status event_create(bool timed, lt_gpu_event **e);
void event_destroy(lt_gpu_event *e);
lt_status record(lt_gpu_event *e, lt_stream *s);
lt_status stream_wait(lt_stream *s, lt_gpu_event *e);
lt_status wait_event(lt_gpu_event *e);
lt_status wait_stream(lt_stream *s);
lt_status elapsed_ms(lt_gpu_event *from, lt_gpu_event *to, float *ms);
lt_status copy(lt_stream *s, lt_gpu_dir dir, void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t row_bytes,
               int64_t rows);
lt_status fill(lt_stream *s, void *p, int byte, size_t bytes);
lt_status capture_begin(lt_stream *s);
lt_status capture_end(lt_stream *s, lt_gpu_graph **g);
lt_status graph_launch(lt_gpu_graph *g, lt_stream *s);
void graph_destroy(lt_gpu_graph *g);
bool coll_built();
lt_status coll_id(unsigned char id[LT_GPU_COLL_ID_BYTES]);
lt_status coll_init(const unsigned char id[LT_GPU_COLL_ID_BYTES], int rank, int size, const void *mpi, lt_gpu_coll **c);
lt_status all_reduce(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s);
lt_status all_gather(lt_gpu_coll *c, const void *in, void *out, int64_t n, lt_dtype dt, lt_stream *s);
lt_status broadcast(lt_gpu_coll *c, void *data, size_t bytes, int root, lt_stream *s);
lt_status coll_error(lt_gpu_coll *c);
size_t coll_bytes();
void coll_fini(lt_gpu_coll *c);

} // namespace lt_emu
