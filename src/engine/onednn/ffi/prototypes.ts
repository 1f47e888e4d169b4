/**
 * C prototypes of oneDNN's functions that are the same in versions 2 and 3, for koffi. Every pointer is a `void *`.
 * Out-parameters are arrays of one 64-bit number. Each function returns a `dnnl_status_t`.
 */
export const sharedPrototypes = {
  engineCreate: "int dnnl_engine_create(void *engine, int kind, size_t index)",
  streamCreate: "int dnnl_stream_create(void *stream, void *engine, uint flags)",
  attrCreate: "int dnnl_primitive_attr_create(void *attr)",
  attrDestroy: "int dnnl_primitive_attr_destroy(void *attr)",
  attrSetScratchpad: "int dnnl_primitive_attr_set_scratchpad_mode(void *attr, int mode)",
  attrSetPostOps: "int dnnl_primitive_attr_set_post_ops(void *attr, void *postOps)",
  postOpsCreate: "int dnnl_post_ops_create(void *postOps)",
  postOpsDestroy: "int dnnl_post_ops_destroy(void *postOps)",
  postOpsAppendBinary: "int dnnl_post_ops_append_binary(void *postOps, int kind, void *md)",
  memoryEqual: "int dnnl_memory_desc_equal(void *a, void *b)",
  memoryCreate: "int dnnl_memory_create(void *memory, void *md, void *engine, void *address)",
  memoryDestroy: "int dnnl_memory_destroy(void *memory)",
  reorderCreate:
    "int dnnl_reorder_primitive_desc_create(void *pd, void *src, void *srcEngine, void *dst, void *dstEngine, " +
    "void *attr)",
  primitiveDescDestroy: "int dnnl_primitive_desc_destroy(void *pd)",
  primitiveDescQuery: "int dnnl_primitive_desc_query(void *pd, int what, int index, void *result)",
  primitiveCreate: "int dnnl_primitive_create(void *primitive, void *pd)",
  primitiveDestroy: "int dnnl_primitive_destroy(void *primitive)",
  execute: "int dnnl_primitive_execute(void *primitive, void *stream, int count, void *arguments)",
} as const;

/** The parameters of descriptions of operations, by oneDNN's names, and their C types. */
export const parameterTypes = {
  propagation: "int",
  algorithm: "int",
  src: "void *",
  other: "void *",
  weights: "void *",
  bias: "void *",
  dst: "void *",
  /** Descriptor of the gradients, which have the layouts of src and dst. */
  diffSrc: "void *",
  diffDst: "void *",
  strides: "void *",
  kernel: "void *",
  factors: "void *",
  dilation: "void *",
  before: "void *",
  after: "void *",
  epsilon: "float",
  flags: "uint",
  alpha: "float",
  beta: "float",
} as const;

export type ParameterName = keyof typeof parameterTypes;

export const operationNames = [
  "convolutionForward",
  "convolutionBackwardData",
  "convolutionBackwardWeights",
  "deconvolutionForward",
  "deconvolutionBackwardData",
  "deconvolutionBackwardWeights",
  "normalizationForward",
  "normalizationBackward",
  "eltwiseForward",
  "eltwiseBackward",
  "poolingForward",
  "poolingBackward",
  "binary",
  "innerProductForward",
  "innerProductBackwardData",
  "innerProductBackwardWeights",
  "matmul",
  "resamplingForward",
  "resamplingBackward",
] as const;

export type OperationName = (typeof operationNames)[number];

/** The C function that describes an operation, and its parameters in order, without those common to all. */
export interface OperationPrototype {
  readonly name: string;
  readonly parameters: readonly ParameterName[];
}

export type OperationPrototypes = Readonly<Record<OperationName, OperationPrototype>>;

const window = ["strides", "dilation", "before", "after"] as const;
const pooling = ["strides", "kernel", "dilation", "before", "after"] as const;

type SharedOperation = Exclude<OperationName, `normalization${string}` | `eltwise${string}`>;

/** Operations whose parameters have the same order in both versions. */
export const sharedParameters: Readonly<Record<SharedOperation, readonly ParameterName[]>> = {
  convolutionForward: ["propagation", "algorithm", "src", "weights", "bias", "dst", ...window],
  convolutionBackwardData: ["algorithm", "diffSrc", "weights", "diffDst", ...window],
  convolutionBackwardWeights: ["algorithm", "src", "weights", "bias", "diffDst", ...window],
  deconvolutionForward: ["propagation", "algorithm", "src", "weights", "bias", "dst", ...window],
  deconvolutionBackwardData: ["algorithm", "diffSrc", "weights", "diffDst", ...window],
  deconvolutionBackwardWeights: ["algorithm", "src", "weights", "bias", "diffDst", ...window],
  poolingForward: ["propagation", "algorithm", "src", "dst", ...pooling],
  poolingBackward: ["algorithm", "diffSrc", "diffDst", ...pooling],
  binary: ["algorithm", "src", "other", "dst"],
  innerProductForward: ["propagation", "src", "weights", "bias", "dst"],
  innerProductBackwardData: ["diffSrc", "weights", "diffDst"],
  innerProductBackwardWeights: ["src", "weights", "bias", "diffDst"],
  resamplingForward: ["propagation", "algorithm", "factors", "src", "dst"],
  resamplingBackward: ["algorithm", "factors", "diffSrc", "diffDst"],
  matmul: ["src", "weights", "bias", "dst"],
};

/** The declaration of `parameters` in C. */
export function declared(parameters: readonly ParameterName[]): string {
  return parameters.map((name) => `${parameterTypes[name]} ${name}`).join(", ");
}
