/** oneDNN 2.6 and later 2.x: descriptors are structs, which the library fills in place. */
import type { Shape } from "../../../core/tensor.ts";
import type { Abi, Call, Declare, Handle, Layout, NativeDescriptor, OperationCalls, OperationRequest } from "./abi.ts";
import { dimensions } from "./abi.ts";
import { check, created, structOf } from "./calls.ts";
import { formatKind } from "./constants.ts";
import {
  eltwise,
  firstPostOpOperand,
  formatTag,
  memoryOffset,
  memorySize,
  normalizationFlags,
  operationSize,
} from "./constants-2.ts";
import {
  declared,
  type OperationName,
  type OperationPrototypes,
  operationNames,
  sharedParameters,
} from "./prototypes.ts";

const operations: OperationPrototypes = {
  convolutionForward: {
    name: "dnnl_dilated_convolution_forward_desc_init",
    parameters: sharedParameters.convolutionForward,
  },
  convolutionBackwardData: {
    name: "dnnl_dilated_convolution_backward_data_desc_init",
    parameters: sharedParameters.convolutionBackwardData,
  },
  convolutionBackwardWeights: {
    name: "dnnl_dilated_convolution_backward_weights_desc_init",
    parameters: sharedParameters.convolutionBackwardWeights,
  },
  deconvolutionForward: {
    name: "dnnl_dilated_deconvolution_forward_desc_init",
    parameters: sharedParameters.deconvolutionForward,
  },
  deconvolutionBackwardData: {
    name: "dnnl_dilated_deconvolution_backward_data_desc_init",
    parameters: sharedParameters.deconvolutionBackwardData,
  },
  deconvolutionBackwardWeights: {
    name: "dnnl_dilated_deconvolution_backward_weights_desc_init",
    parameters: sharedParameters.deconvolutionBackwardWeights,
  },
  normalizationForward: {
    name: "dnnl_batch_normalization_forward_desc_init",
    parameters: ["propagation", "src", "epsilon", "flags"],
  },
  normalizationBackward: {
    name: "dnnl_batch_normalization_backward_desc_init",
    parameters: ["propagation", "diffSrc", "src", "epsilon", "flags"],
  },
  eltwiseForward: {
    name: "dnnl_eltwise_forward_desc_init",
    parameters: ["propagation", "algorithm", "src", "alpha", "beta"],
  },
  eltwiseBackward: {
    name: "dnnl_eltwise_backward_desc_init",
    parameters: ["algorithm", "diffSrc", "src", "alpha", "beta"],
  },
  poolingForward: { name: "dnnl_pooling_v2_forward_desc_init", parameters: sharedParameters.poolingForward },
  poolingBackward: { name: "dnnl_pooling_v2_backward_desc_init", parameters: sharedParameters.poolingBackward },
  binary: { name: "dnnl_binary_desc_init", parameters: sharedParameters.binary },
  innerProductForward: {
    name: "dnnl_inner_product_forward_desc_init",
    parameters: sharedParameters.innerProductForward,
  },
  innerProductBackwardData: {
    name: "dnnl_inner_product_backward_data_desc_init",
    parameters: sharedParameters.innerProductBackwardData,
  },
  innerProductBackwardWeights: {
    name: "dnnl_inner_product_backward_weights_desc_init",
    parameters: sharedParameters.innerProductBackwardWeights,
  },
  resamplingForward: { name: "dnnl_resampling_forward_desc_init", parameters: sharedParameters.resamplingForward },
  resamplingBackward: { name: "dnnl_resampling_backward_desc_init", parameters: sharedParameters.resamplingBackward },
  matmul: { name: "dnnl_matmul_desc_init", parameters: sharedParameters.matmul },
};

/** The functions that describe operations in oneDNN 2. */
export function operationCalls2(declare: Declare): OperationCalls {
  const declareOne = (name: OperationName): Call => {
    const prototype = operations[name];
    return declare(`int ${prototype.name}(void *op, ${declared(prototype.parameters)})`);
  };
  return Object.fromEntries(operationNames.map((name) => [name, declareOne(name)])) as Record<OperationName, Call>;
}

/** Declares the functions of version 2. Throws if the library lacks one. */
export function abi2(declare: Declare): Abi {
  const setScales = declare(
    "int dnnl_primitive_attr_set_scales(void *attr, int argument, int64_t count, int mask, void *scales)",
  );
  const appendEltwise = declare(
    "int dnnl_post_ops_append_eltwise(void *postOps, float scale, int kind, float alpha, float beta)",
  );
  const appendSum = declare("int dnnl_post_ops_append_sum(void *postOps, float scale)");
  const initByTag = declare("int dnnl_memory_desc_init_by_tag(void *md, int rank, void *dims, int type, int tag)");
  const initByStrides = declare(
    "int dnnl_memory_desc_init_by_strides(void *md, int rank, void *dims, int type, void *strides)",
  );
  const initSubmemory = declare(
    "int dnnl_memory_desc_init_submemory(void *md, void *parent, void *dims, void *offsets)",
  );
  const reshape = declare("int dnnl_memory_desc_reshape(void *out, void *md, int rank, void *dims)");
  const concatCreate = declare(
    "int dnnl_concat_primitive_desc_create(void *pd, void *dst, int count, int axis, void *sources, void *attr, " +
      "void *engine)",
  );
  const iteratorCreate = declare(
    "int dnnl_primitive_desc_iterator_create(void *iterator, void *op, void *attr, void *engine, void *hint)",
  );
  const iteratorNext = declare("int dnnl_primitive_desc_iterator_next(void *iterator)");
  const iteratorDestroy = declare("int dnnl_primitive_desc_iterator_destroy(void *iterator)");
  const iteratorFetch = declare<(iterator: Handle) => Handle>(
    "void *dnnl_primitive_desc_iterator_fetch(void *iterator)",
  );
  const struct = (what: string, fill: (out: Uint8Array) => number): Uint8Array => {
    const out = new Uint8Array(memorySize);
    check(fill(out), what);
    return out;
  };

  function* implementations(
    { operation, calls, attributes, engine, hint }: OperationRequest,
    onRefused: (status: number) => void,
  ): Iterable<Handle> {
    const { name, values } = operation;
    const described = new Uint8Array(operationSize[name]);
    const ordered = operations[name].parameters.map((parameter) => values[parameter] ?? null);
    const refusal = calls[name](described, ...ordered);
    if (refusal !== 0) return onRefused(refusal);
    const out = new BigUint64Array(1);
    const status = iteratorCreate(out, described, attributes, engine, hint ?? null);
    if (status !== 0) return onRefused(status);
    const iterator = created(out, "iterator");
    try {
      do {
        yield iteratorFetch(iterator);
      } while (iteratorNext(iterator) === 0);
    } finally {
      iteratorDestroy(iterator);
      // The iterator reads the struct at each step. This use keeps the garbage collector from freeing it earlier.
      described.fill(0);
    }
  }

  return {
    major: 2,
    eltwise,
    normalizationFlags,
    normalizationBackwardTakesShift: true,
    firstPostOpOperand,
    scaleArgument: () => undefined,
    setScale: (attributes, source, factor) => setScales(attributes, source, 1, 0, Float32Array.of(factor)),
    appendEltwise: (postOps, kind, alpha, beta) => appendEltwise(postOps, 1, kind, alpha, beta),
    appendSum: (postOps, factor) => appendSum(postOps, factor),
    tagged: (shape, dataType, layout) =>
      struct(`describe a ${layout} memory of [${shape}]`, (out) =>
        initByTag(out, shape.length, dimensions(shape), dataType, formatTag[layout]),
      ),
    strided: (shape, dataType, strides) =>
      struct(`describe a memory of [${shape}]`, (out) =>
        initByStrides(out, shape.length, dimensions(shape), dataType, dimensions(strides)),
      ),
    part: (parent, shape, offsets) => {
      const out = new Uint8Array(memorySize);
      return initSubmemory(out, parent, dimensions(shape), dimensions(offsets)) === 0 ? out : undefined;
    },
    reshaped: (descriptor, shape) =>
      struct(`see a memory as [${shape}]`, (out) => reshape(out, descriptor, shape.length, dimensions(shape))),
    copied: (address) => structOf(address, memorySize),
    release: () => {},
    layoutOf,
    concatenate: (out, dst, sources, attributes, engine) => {
      const structs = Buffer.concat(sources.map((source) => source as Uint8Array));
      return concatCreate(out, dst, sources.length, 1, structs, attributes, engine);
    },
    implementations,
  };
}

function layoutOf(descriptor: NativeDescriptor): Layout {
  const struct = descriptor as Uint8Array;
  const view = new DataView(struct.buffer, struct.byteOffset);
  const rank = view.getInt32(memoryOffset.ndims, true);
  const numbers = (offset: number, count: number): Shape =>
    Array.from({ length: count }, (_, axis) => Number(view.getBigInt64(offset + 8 * axis, true)));
  const kind = view.getInt32(memoryOffset.formatKind, true);
  const isStrided = kind === formatKind.blocked;
  const axes = numbers(memoryOffset.innerAxes, isStrided ? view.getInt32(memoryOffset.innerBlockCount, true) : 0);
  const sizes = numbers(memoryOffset.innerBlocks, axes.length);
  return {
    kind: isStrided ? "strided" : kind === formatKind.any ? "any" : "opaque",
    shape: numbers(memoryOffset.dims, rank),
    dataType: view.getInt32(memoryOffset.dataType, true),
    paddedShape: numbers(memoryOffset.paddedDims, rank),
    strides: isStrided ? numbers(memoryOffset.strides, rank) : [],
    blocks: axes.map((axis, index) => ({ axis, size: sizes[index] ?? 1 })),
    offset: Number(view.getBigInt64(memoryOffset.offset0, true)),
  };
}
