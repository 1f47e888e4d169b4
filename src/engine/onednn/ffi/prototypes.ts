/**
 * The C functions of oneDNN 2.x that are called, as koffi reads them. Every pointer is a `void *`; out-parameters are
 * arrays of one 64-bit number; each returns a `dnnl_status_t`.
 */
export const prototypes = {
  engineCreate: "int dnnl_engine_create(void *engine, int kind, size_t index)",
  streamCreate: "int dnnl_stream_create(void *stream, void *engine, uint flags)",
  attrCreate: "int dnnl_primitive_attr_create(void *attr)",
  attrDestroy: "int dnnl_primitive_attr_destroy(void *attr)",
  attrSetScratchpad: "int dnnl_primitive_attr_set_scratchpad_mode(void *attr, int mode)",
  attrSetScales: "int dnnl_primitive_attr_set_scales(void *attr, int argument, int64_t count, int mask, void *scales)",
  attrSetPostOps: "int dnnl_primitive_attr_set_post_ops(void *attr, void *postOps)",
  postOpsCreate: "int dnnl_post_ops_create(void *postOps)",
  postOpsDestroy: "int dnnl_post_ops_destroy(void *postOps)",
  postOpsAppendEltwise:
    "int dnnl_post_ops_append_eltwise(void *postOps, float scale, int kind, float alpha, float beta)",
  postOpsAppendSum: "int dnnl_post_ops_append_sum(void *postOps, float scale)",
  postOpsAppendBinary: "int dnnl_post_ops_append_binary(void *postOps, int kind, void *md)",

  memoryInitByTag: "int dnnl_memory_desc_init_by_tag(void *md, int rank, void *dims, int type, int tag)",
  memoryInitByStrides: "int dnnl_memory_desc_init_by_strides(void *md, int rank, void *dims, int type, void *strides)",
  memoryInitSubmemory: "int dnnl_memory_desc_init_submemory(void *md, void *parent, void *dims, void *offsets)",
  memoryReshape: "int dnnl_memory_desc_reshape(void *out, void *md, int rank, void *dims)",
  memoryEqual: "int dnnl_memory_desc_equal(void *a, void *b)",
  memoryCreate: "int dnnl_memory_create(void *memory, void *md, void *engine, void *address)",
  memoryDestroy: "int dnnl_memory_destroy(void *memory)",

  convolutionForward:
    "int dnnl_dilated_convolution_forward_desc_init(void *op, int kind, int algorithm, void *src, void *weights, void *bias, void *dst, void *strides, void *dilates, void *before, void *after)",
  convolutionBackwardData:
    "int dnnl_dilated_convolution_backward_data_desc_init(void *op, int algorithm, void *diffSrc, void *weights, void *diffDst, void *strides, void *dilates, void *before, void *after)",
  convolutionBackwardWeights:
    "int dnnl_dilated_convolution_backward_weights_desc_init(void *op, int algorithm, void *src, void *diffWeights, void *diffBias, void *diffDst, void *strides, void *dilates, void *before, void *after)",
  normalizationForward:
    "int dnnl_batch_normalization_forward_desc_init(void *op, int kind, void *src, float epsilon, uint flags)",
  normalizationBackward:
    "int dnnl_batch_normalization_backward_desc_init(void *op, int kind, void *diff, void *src, float epsilon, uint flags)",
  eltwiseForward:
    "int dnnl_eltwise_forward_desc_init(void *op, int kind, int algorithm, void *src, float alpha, float beta)",
  eltwiseBackward:
    "int dnnl_eltwise_backward_desc_init(void *op, int algorithm, void *diff, void *data, float alpha, float beta)",
  poolingForward:
    "int dnnl_pooling_v2_forward_desc_init(void *op, int kind, int algorithm, void *src, void *dst, void *strides, void *kernel, void *dilation, void *before, void *after)",
  poolingBackward:
    "int dnnl_pooling_v2_backward_desc_init(void *op, int algorithm, void *diffSrc, void *diffDst, void *strides, void *kernel, void *dilation, void *before, void *after)",
  binary: "int dnnl_binary_desc_init(void *op, int algorithm, void *src, void *other, void *dst)",
  innerProductForward:
    "int dnnl_inner_product_forward_desc_init(void *op, int kind, void *src, void *weights, void *bias, void *dst)",
  innerProductBackwardData:
    "int dnnl_inner_product_backward_data_desc_init(void *op, void *diffSrc, void *weights, void *diffDst)",
  innerProductBackwardWeights:
    "int dnnl_inner_product_backward_weights_desc_init(void *op, void *src, void *diffWeights, void *diffBias, void *diffDst)",

  matmul: "int dnnl_matmul_desc_init(void *op, void *src, void *weights, void *bias, void *dst)",

  iteratorCreate:
    "int dnnl_primitive_desc_iterator_create(void *iterator, void *op, void *attr, void *engine, void *hint)",
  iteratorNext: "int dnnl_primitive_desc_iterator_next(void *iterator)",
  iteratorDestroy: "int dnnl_primitive_desc_iterator_destroy(void *iterator)",
  reorderCreate:
    "int dnnl_reorder_primitive_desc_create(void *pd, void *src, void *srcEngine, void *dst, void *dstEngine, void *attr)",
  concatCreate:
    "int dnnl_concat_primitive_desc_create(void *pd, void *dst, int count, int axis, void *sources, void *attr, void *engine)",
  primitiveDescDestroy: "int dnnl_primitive_desc_destroy(void *pd)",
  primitiveDescQuery: "int dnnl_primitive_desc_query(void *pd, int what, int index, void *result)",
  primitiveCreate: "int dnnl_primitive_create(void *primitive, void *pd)",
  primitiveDestroy: "int dnnl_primitive_destroy(void *primitive)",
  execute: "int dnnl_primitive_execute(void *primitive, void *stream, int count, void *arguments)",
} as const;
