#pragma once
/* SHA-256 as lower-case hex, over libcrypto: the fingerprint of tokenizers, sources, base models and HDF5 datasets.
 * Users can repeat every one of them with sha256sum or hashlib. */

#include "base/err.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { LT_SHA_HEX_BYTES = 65 }; /* 64 digits and the NUL */

typedef struct lt_sha lt_sha; /* opaque running hash */

/* Local.  Starts a hash; owned by the caller until lt_sha_finish.  Errors: NOMEM, INTERNAL. */
lt_status lt_sha_begin(lt_sha **s);
/* Local.  Adds bytes; a failure inside is reported by lt_sha_finish. */
void lt_sha_add(lt_sha *s, const void *data, size_t bytes);
/* Local.  Writes the digest and frees s (also on failure; *s = NULL).  Errors: INTERNAL. */
lt_status lt_sha_finish(lt_sha **s, char hex[LT_SHA_HEX_BYTES]);
/* Local.  Digest of one buffer.  Errors: NOMEM, INTERNAL. */
lt_status lt_sha_bytes(const void *data, size_t bytes, char hex[LT_SHA_HEX_BYTES]);
/* Local.  Digest of a file's content.  Errors: IO. */
lt_status lt_sha_file(const char *path, char hex[LT_SHA_HEX_BYTES]);

#ifdef __cplusplus
}
#endif
