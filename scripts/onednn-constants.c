/* Prints the numbers of src/engine/onednn/ffi/constants.ts, -2.ts and -3.ts from the installed headers (Debian:
 * libdnnl-dev, of oneDNN 2 or 3):
 *
 *     cc scripts/onednn-constants.c -o /tmp/onednn-constants && /tmp/onednn-constants
 *
 * What it prints for two versions is kept in test/engine/onednn/headers/, and a test compares the sources with it.
 */
#include <oneapi/dnnl/dnnl.h>
#include <stddef.h>
#include <stdio.h>

#define PRINT(expression) printf("%-60s %ld\n", #expression, (long)(expression))

int main(void) {
#if DNNL_VERSION_MAJOR == 2
  PRINT(sizeof(dnnl_memory_desc_t));
  PRINT(sizeof(dnnl_convolution_desc_t));
  PRINT(sizeof(dnnl_deconvolution_desc_t));
  PRINT(sizeof(dnnl_batch_normalization_desc_t));
  PRINT(sizeof(dnnl_eltwise_desc_t));
  PRINT(sizeof(dnnl_pooling_v2_desc_t));
  PRINT(sizeof(dnnl_binary_desc_t));
  PRINT(sizeof(dnnl_inner_product_desc_t));
  PRINT(sizeof(dnnl_matmul_desc_t));
  PRINT(sizeof(dnnl_resampling_desc_t));
  PRINT(offsetof(dnnl_memory_desc_t, ndims));
  PRINT(offsetof(dnnl_memory_desc_t, dims));
  PRINT(offsetof(dnnl_memory_desc_t, data_type));
  PRINT(offsetof(dnnl_memory_desc_t, padded_dims));
  PRINT(offsetof(dnnl_memory_desc_t, offset0));
  PRINT(offsetof(dnnl_memory_desc_t, format_kind));
  PRINT(offsetof(dnnl_memory_desc_t, format_desc.blocking.strides));
  PRINT(offsetof(dnnl_memory_desc_t, format_desc.blocking.inner_nblks));
  PRINT(offsetof(dnnl_memory_desc_t, format_desc.blocking.inner_blks));
  PRINT(offsetof(dnnl_memory_desc_t, format_desc.blocking.inner_idxs));
#else
  PRINT(dnnl_query_ndims_s32);
  PRINT(dnnl_query_dims);
  PRINT(dnnl_query_data_type);
  PRINT(dnnl_query_submemory_offset_s64);
  PRINT(dnnl_query_padded_dims);
  PRINT(dnnl_query_format_kind);
  PRINT(dnnl_query_inner_nblks_s32);
  PRINT(dnnl_query_inner_blks);
  PRINT(dnnl_query_inner_idxs);
  PRINT(dnnl_query_strides);
  PRINT(DNNL_ARG_ATTR_SCALES);
  PRINT(dnnl_cpu_isa_avx512_core_fp16);
#endif
  PRINT(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0));
  PRINT(dnnl_data_type_undef);
  PRINT(dnnl_bf16);
  PRINT(dnnl_f32);
  PRINT(dnnl_s32);
  PRINT(dnnl_format_kind_any);
  PRINT(dnnl_blocked);
  PRINT(dnnl_format_tag_any);
  PRINT(dnnl_nChw16c);
  PRINT(dnnl_nChw8c);
  PRINT(dnnl_nCdhw16c);
  PRINT(dnnl_nCdhw8c);
  PRINT(dnnl_forward_training);
  PRINT(dnnl_forward_inference);
  PRINT(dnnl_backward);
  PRINT(dnnl_convolution_direct);
  PRINT(dnnl_convolution_winograd);
  PRINT(dnnl_convolution_auto);
  PRINT(dnnl_deconvolution_direct);
  PRINT(dnnl_eltwise_relu);
  PRINT(dnnl_eltwise_tanh);
  PRINT(dnnl_eltwise_linear);
  PRINT(dnnl_eltwise_logistic);
  PRINT(dnnl_eltwise_hardswish);
  PRINT(dnnl_eltwise_gelu_erf);
  PRINT(dnnl_eltwise_gelu_tanh);
  PRINT(dnnl_eltwise_elu);
  PRINT(dnnl_eltwise_abs);
  PRINT(dnnl_eltwise_soft_relu);
  PRINT(dnnl_eltwise_exp);
  PRINT(dnnl_eltwise_log);
  PRINT(dnnl_eltwise_mish);
  PRINT(dnnl_eltwise_clip_v2);
  PRINT(dnnl_eltwise_relu_use_dst_for_bwd);
  PRINT(dnnl_eltwise_clip_v2_use_dst_for_bwd);
  PRINT(dnnl_pooling_max);
  PRINT(dnnl_pooling_avg_include_padding);
  PRINT(dnnl_pooling_avg_exclude_padding);
  PRINT(dnnl_resampling_linear);
  PRINT(dnnl_binary_add);
  PRINT(dnnl_binary_mul);
  PRINT(dnnl_binary_max);
  PRINT(dnnl_binary_min);
  PRINT(dnnl_binary_div);
  PRINT(dnnl_binary_sub);
  PRINT(dnnl_use_global_stats);
  PRINT(dnnl_fuse_norm_relu);
  PRINT(dnnl_use_scale);
  PRINT(dnnl_use_shift);
  PRINT(DNNL_ARG_SRC_0);
  PRINT(DNNL_ARG_SRC_1);
  PRINT(DNNL_ARG_DST);
  PRINT(DNNL_ARG_WEIGHTS);
  PRINT(DNNL_ARG_BIAS);
  PRINT(DNNL_ARG_MEAN);
  PRINT(DNNL_ARG_VARIANCE);
  PRINT(DNNL_ARG_SCALE);
  PRINT(DNNL_ARG_SHIFT);
  PRINT(DNNL_ARG_WORKSPACE);
  PRINT(DNNL_ARG_SCRATCHPAD);
  PRINT(DNNL_ARG_DIFF_SRC);
  PRINT(DNNL_ARG_DIFF_DST);
  PRINT(DNNL_ARG_DIFF_WEIGHTS);
  PRINT(DNNL_ARG_DIFF_BIAS);
  PRINT(DNNL_ARG_DIFF_SCALE);
  PRINT(DNNL_ARG_DIFF_SHIFT);
  PRINT(DNNL_ARG_MULTIPLE_SRC);
  PRINT(dnnl_query_impl_info_str);
  PRINT(dnnl_query_src_md);
  PRINT(dnnl_query_diff_src_md);
  PRINT(dnnl_query_weights_md);
  PRINT(dnnl_query_diff_weights_md);
  PRINT(dnnl_query_dst_md);
  PRINT(dnnl_query_diff_dst_md);
  PRINT(dnnl_query_workspace_md);
  PRINT(dnnl_query_scratchpad_md);
  PRINT(dnnl_cpu);
  PRINT(dnnl_stream_default_flags);
  PRINT(dnnl_scratchpad_mode_user);
  PRINT(dnnl_cpu_isa_avx512_core);
  PRINT(dnnl_cpu_isa_avx512_core_bf16);
  PRINT(dnnl_cpu_isa_avx512_core_amx);
  return 0;
}
