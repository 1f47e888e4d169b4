/** oneDNN 3: descriptors are handles, and one call describes an operation and finds its first implementation. */
import type { Abi, Call, Declare, Handle, Layout, NativeDescriptor, OperationCalls, OperationRequest } from "./abi.ts";
import { dimensions } from "./abi.ts";
import { check, create, created, extentsAt } from "./calls.ts";
import { formatKind, undefinedDataType } from "./constants.ts";
import {
  eltwise,
  firstPostOpOperand,
  formatTag,
  memoryQuery,
  normalizationFlags,
  scalesArgument,
} from "./constants-3.ts";
import {
  declared,
  type OperationName,
  type OperationPrototypes,
  operationNames,
  sharedParameters,
} from "./prototypes.ts";

const operations: OperationPrototypes = {
  convolutionForward: {
    name: "dnnl_convolution_forward_primitive_desc_create",
    parameters: sharedParameters.convolutionForward,
  },
  convolutionBackwardData: {
    name: "dnnl_convolution_backward_data_primitive_desc_create",
    parameters: sharedParameters.convolutionBackwardData,
  },
  convolutionBackwardWeights: {
    name: "dnnl_convolution_backward_weights_primitive_desc_create",
    parameters: sharedParameters.convolutionBackwardWeights,
  },
  deconvolutionForward: {
    name: "dnnl_deconvolution_forward_primitive_desc_create",
    parameters: sharedParameters.deconvolutionForward,
  },
  deconvolutionBackwardData: {
    name: "dnnl_deconvolution_backward_data_primitive_desc_create",
    parameters: sharedParameters.deconvolutionBackwardData,
  },
  deconvolutionBackwardWeights: {
    name: "dnnl_deconvolution_backward_weights_primitive_desc_create",
    parameters: sharedParameters.deconvolutionBackwardWeights,
  },
  normalizationForward: {
    name: "dnnl_batch_normalization_forward_primitive_desc_create",
    parameters: ["propagation", "src", "dst", "epsilon", "flags"],
  },
  normalizationBackward: {
    name: "dnnl_batch_normalization_backward_primitive_desc_create",
    parameters: ["propagation", "diffSrc", "diffDst", "src", "epsilon", "flags"],
  },
  eltwiseForward: {
    name: "dnnl_eltwise_forward_primitive_desc_create",
    parameters: ["propagation", "algorithm", "src", "dst", "alpha", "beta"],
  },
  eltwiseBackward: {
    name: "dnnl_eltwise_backward_primitive_desc_create",
    parameters: ["algorithm", "diffSrc", "diffDst", "src", "alpha", "beta"],
  },
  poolingForward: {
    name: "dnnl_pooling_forward_primitive_desc_create",
    parameters: sharedParameters.poolingForward,
  },
  poolingBackward: {
    name: "dnnl_pooling_backward_primitive_desc_create",
    parameters: sharedParameters.poolingBackward,
  },
  binary: { name: "dnnl_binary_primitive_desc_create", parameters: sharedParameters.binary },
  innerProductForward: {
    name: "dnnl_inner_product_forward_primitive_desc_create",
    parameters: sharedParameters.innerProductForward,
  },
  innerProductBackwardData: {
    name: "dnnl_inner_product_backward_data_primitive_desc_create",
    parameters: sharedParameters.innerProductBackwardData,
  },
  innerProductBackwardWeights: {
    name: "dnnl_inner_product_backward_weights_primitive_desc_create",
    parameters: sharedParameters.innerProductBackwardWeights,
  },
  resamplingForward: {
    name: "dnnl_resampling_forward_primitive_desc_create",
    parameters: sharedParameters.resamplingForward,
  },
  resamplingBackward: {
    name: "dnnl_resampling_backward_primitive_desc_create",
    parameters: sharedParameters.resamplingBackward,
  },
  matmul: { name: "dnnl_matmul_primitive_desc_create", parameters: sharedParameters.matmul },
};

/** Operations that take the primitive descriptor of their forward operation. */
function isBackward(name: OperationName): boolean {
  return name.includes("Backward");
}

/** The functions that describe operations in oneDNN 3. */
export function operationCalls3(declare: Declare): OperationCalls {
  const declareOne = (name: OperationName): Call => {
    const prototype = operations[name];
    const last = isBackward(name) ? "void *hint, void *attr" : "void *attr";
    return declare(`int ${prototype.name}(void *pd, void *engine, ${declared(prototype.parameters)}, ${last})`);
  };
  return Object.fromEntries(operationNames.map((name) => [name, declareOne(name)])) as Record<OperationName, Call>;
}

/** Declares the functions of version 3. Throws if the library lacks one. */
export function abi3(declare: Declare): Abi {
  const setScalesMask = declare("int dnnl_primitive_attr_set_scales_mask(void *attr, int argument, int mask)");
  const appendEltwise = declare("int dnnl_post_ops_append_eltwise(void *postOps, int kind, float alpha, float beta)");
  const appendSum = declare("int dnnl_post_ops_append_sum(void *postOps, float scale, int32_t zeroPoint, int type)");
  const createWithTag = declare(
    "int dnnl_memory_desc_create_with_tag(void *md, int rank, void *dims, int type, int tag)",
  );
  const createWithStrides = declare(
    "int dnnl_memory_desc_create_with_strides(void *md, int rank, void *dims, int type, void *strides)",
  );
  const createSubmemory = declare(
    "int dnnl_memory_desc_create_submemory(void *md, void *parent, void *dims, void *offsets)",
  );
  const reshape = declare("int dnnl_memory_desc_reshape(void *out, void *md, int rank, void *dims)");
  const clone = declare("int dnnl_memory_desc_clone(void *out, void *md)");
  const destroy = declare("int dnnl_memory_desc_destroy(void *md)");
  const queryMemory = declare("int dnnl_memory_desc_query(void *md, int what, void *result)");
  const concatCreate = declare(
    "int dnnl_concat_primitive_desc_create(void *pd, void *engine, void *dst, int count, int axis, void *sources, " +
      "void *attr)",
  );
  const clonePrimitive = declare("int dnnl_primitive_desc_clone(void *out, void *pd)");
  const nextImplementation = declare("int dnnl_primitive_desc_next_impl(void *pd)");
  const destroyPrimitive = declare("int dnnl_primitive_desc_destroy(void *pd)");

  /** The answers of queries are numbers of 32 or 64 bits, or pointers to numbers of 64 bits. */
  const ask = (md: NativeDescriptor, what: number): BigInt64Array => {
    const out = new BigInt64Array(1);
    check(queryMemory(md, what, out), "query a memory descriptor");
    return out;
  };
  const int = (md: NativeDescriptor, what: number): number => new Int32Array(ask(md, what).buffer)[0] ?? 0;
  const numbers = (md: NativeDescriptor, what: number, count: number): readonly number[] => {
    if (count === 0) return [];
    const address = created(new BigUint64Array(ask(md, what).buffer), "extents");
    return extentsAt(address, count);
  };
  const layoutOf = (descriptor: NativeDescriptor): Layout => {
    const rank = int(descriptor, memoryQuery.rank);
    const kind = int(descriptor, memoryQuery.formatKind);
    const isStrided = kind === formatKind.blocked;
    const blocks = isStrided ? int(descriptor, memoryQuery.blockCount) : 0;
    const axes = numbers(descriptor, memoryQuery.blockAxes, blocks);
    const sizes = numbers(descriptor, memoryQuery.blockSizes, blocks);
    return {
      kind: isStrided ? "strided" : kind === formatKind.any ? "any" : "opaque",
      shape: numbers(descriptor, memoryQuery.shape, rank),
      dataType: int(descriptor, memoryQuery.dataType),
      paddedShape: numbers(descriptor, memoryQuery.paddedShape, rank),
      strides: isStrided ? numbers(descriptor, memoryQuery.strides, rank) : [],
      blocks: axes.map((axis, index) => ({ axis, size: sizes[index] ?? 1 })),
      offset: Number(ask(descriptor, memoryQuery.offset)[0] ?? 0n),
    };
  };

  function* implementations(
    { operation, calls, attributes, engine, hint }: OperationRequest,
    onRefused: (status: number) => void,
  ): Iterable<Handle> {
    const { name, values } = operation;
    const ordered = operations[name].parameters.map((parameter) => values[parameter] ?? null);
    const last = isBackward(name) ? [hint ?? null, attributes] : [attributes];
    const out = new BigUint64Array(1);
    const status = calls[name](out, engine, ...ordered, ...last);
    if (status !== 0) return onRefused(status);
    const cursor = created(out, "primitive descriptor");
    try {
      do {
        yield create("clone a primitive descriptor", (copy) => clonePrimitive(copy, cursor));
      } while (nextImplementation(cursor) === 0);
    } finally {
      destroyPrimitive(cursor);
    }
  }

  return {
    major: 3,
    eltwise,
    normalizationFlags,
    normalizationBackwardTakesShift: false,
    firstPostOpOperand,
    scaleArgument: (source) => scalesArgument | source,
    setScale: (attributes, source) => setScalesMask(attributes, source, 0),
    appendEltwise: (postOps, kind, alpha, beta) => appendEltwise(postOps, kind, alpha, beta),
    appendSum: (postOps, factor) => appendSum(postOps, factor, 0, undefinedDataType),
    tagged: (shape, dataType, layout) =>
      create(`describe a ${layout} memory of [${shape}]`, (out) =>
        createWithTag(out, shape.length, dimensions(shape), dataType, formatTag[layout]),
      ),
    strided: (shape, dataType, strides) =>
      create(`describe a memory of [${shape}]`, (out) =>
        createWithStrides(out, shape.length, dimensions(shape), dataType, dimensions(strides)),
      ),
    part: (parent, shape, offsets) => {
      const out = new BigUint64Array(1);
      return createSubmemory(out, parent, dimensions(shape), dimensions(offsets)) === 0 ? out[0] : undefined;
    },
    reshaped: (descriptor, shape) =>
      create(`see a memory as [${shape}]`, (out) => reshape(out, descriptor, shape.length, dimensions(shape))),
    copied: (address) => create("clone a memory descriptor", (out) => clone(out, address)),
    release: (descriptor) => check(destroy(descriptor), "destroy a memory descriptor"),
    layoutOf,
    concatenate: (out, dst, sources, attributes, engine) =>
      concatCreate(out, engine, dst, sources.length, CHANNELS, BigUint64Array.from(sources as Handle[]), attributes),
    implementations,
  };
}

/** Axis of the channels. */
const CHANNELS = 1;
