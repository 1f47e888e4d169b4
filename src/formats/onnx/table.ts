/**
 * The two tables of the ONNX format: our op → how it is written, and ONNX op → how it is read. The first table is
 * total: the compiler refuses a new op until it can be written.
 */
import type { ForwardOpName } from "../../graph/ops.ts";
import {
  readHardSigmoid,
  readHardSwish,
  readLeakyRelu,
  readLogSoftmax,
  readSigmoid,
  readSoftmax,
  readTanh,
  writeActivation,
  writeSoftmax,
} from "./ops/activation.ts";
import { readAdd, readSub, writeAdd, writeBias } from "./ops/add.ts";
import { readBatchNormalization, writeBatchNormalization } from "./ops/batch-normalization.ts";
import { binaryRules, writeBinary } from "./ops/binary.ts";
import { readDepthToSpace, readSpaceToDepth, writeDepthToSpace, writeSpaceToDepth } from "./ops/blocks.ts";
import { readClip, writeClip } from "./ops/clip.ts";
import { readConv, writeConv } from "./ops/conv.ts";
import { readConvTranspose, writeConvTranspose } from "./ops/conv-transpose.ts";
import { functionRules } from "./ops/functions.ts";
import { readGather, writeGather } from "./ops/gather.ts";
import { readGelu } from "./ops/gelu.ts";
import { readGemm, readMatMul, writeGemm, writeMatmul } from "./ops/gemm.ts";
import { readCast, readDropout, readIdentity } from "./ops/identity-ops.ts";
import { writeLookup } from "./ops/lookup.ts";
import { readDiv, readMul, writeGain, writeMul, writeMultiply } from "./ops/mul.ts";
import { normalizationRules, writeLocalResponseNormalization, writeNormalization } from "./ops/normalization.ts";
import { readPad, writePad } from "./ops/pad.ts";
import {
  readAveragePool,
  readGlobalAveragePool,
  readGlobalMaxPool,
  readMaxPool,
  writeAveragePool,
  writeGlobalAveragePool,
  writeMaxPool,
} from "./ops/pool.ts";
import { readPrelu, writePrelu } from "./ops/prelu.ts";
import { readDequantizeLinear, readQuantizeLinear } from "./ops/quantize.ts";
import { reductionRules, writeReduction } from "./ops/reduction.ts";
import { readFlatten, readReshape, readSqueeze, readUnsqueeze, writeFlatten, writeReshape } from "./ops/reshape.ts";
import { readResize, writeResampling, writeUpsampling } from "./ops/resize.ts";
import { readConcat, readRelu, writeConcat, writeRelu } from "./ops/simple.ts";
import { readSlice, writeSlice } from "./ops/slice.ts";
import { readSplit } from "./ops/split.ts";
import { readMean, readSum } from "./ops/sum.ts";
import { readTile } from "./ops/tile.ts";
import { readTranspose, writeTranspose } from "./ops/transpose.ts";
import { readExpand } from "./ops/views.ts";
import { readWhere } from "./ops/where.ts";
import type { ReadRule, WriteRule } from "./rules.ts";

export const writeRules: { readonly [K in ForwardOpName]: WriteRule<K> } = {
  convolution: writeConv,
  deconvolution: writeConvTranspose,
  batch_normalization: writeBatchNormalization,
  relu: writeRelu,
  clip: writeClip,
  activation: writeActivation,
  softmax: writeSoftmax,
  add: writeAdd,
  multiply: writeMultiply,
  binary: writeBinary,
  matmul: writeMatmul,
  reduction: writeReduction,
  normalization: writeNormalization,
  local_response_normalization: writeLocalResponseNormalization,
  prelu: writePrelu,
  gain: writeGain,
  bias: writeBias,
  concatenation: writeConcat,
  max_pooling: writeMaxPool,
  average_pooling: writeAveragePool,
  global_average_pooling: writeGlobalAveragePool,
  linear: writeGemm,
  lookup: writeLookup,
  flatten: writeFlatten,
  upsampling: writeUpsampling,
  resampling: writeResampling,
  reshape: writeReshape,
  gather: writeGather,
  depth_to_space: writeDepthToSpace,
  space_to_depth: writeSpaceToDepth,
  transpose: writeTranspose,
  pad: writePad,
  slice: writeSlice,
  scale: writeMul,
};

export const readRules: ReadonlyMap<string, ReadRule> = new Map<string, ReadRule>([
  ["Add", readAdd],
  ["AveragePool", readAveragePool],
  ["BatchNormalization", readBatchNormalization],
  ["Cast", readCast],
  ["Clip", readClip],
  ["Concat", readConcat],
  ["Conv", readConv],
  ["ConvTranspose", readConvTranspose],
  ["DepthToSpace", readDepthToSpace],
  ["DequantizeLinear", readDequantizeLinear],
  ["Div", readDiv],
  ["Dropout", readDropout],
  ["Expand", readExpand],
  ["Flatten", readFlatten],
  ["Gelu", readGelu],
  ["Gather", readGather],
  ["Gemm", readGemm],
  ["GlobalAveragePool", readGlobalAveragePool],
  ["GlobalMaxPool", readGlobalMaxPool],
  ["HardSigmoid", readHardSigmoid],
  ["HardSwish", readHardSwish],
  ["Identity", readIdentity],
  ["LeakyRelu", readLeakyRelu],
  ["LogSoftmax", readLogSoftmax],
  ["Mean", readMean],
  ["MatMul", readMatMul],
  ["MaxPool", readMaxPool],
  ["Mul", readMul],
  ["Pad", readPad],
  ["PRelu", readPrelu],
  ["QuantizeLinear", readQuantizeLinear],
  ["Relu", readRelu],
  ["Reshape", readReshape],
  ["Resize", readResize],
  ["Sigmoid", readSigmoid],
  ["Slice", readSlice],
  ["Softmax", readSoftmax],
  ["SpaceToDepth", readSpaceToDepth],
  ["Split", readSplit],
  ["Squeeze", readSqueeze],
  ["Sub", readSub],
  ["Sum", readSum],
  ["Tanh", readTanh],
  ["Tile", readTile],
  ["Transpose", readTranspose],
  ["Unsqueeze", readUnsqueeze],
  ["Upsample", readResize],
  ["Where", readWhere],
  ...binaryRules,
  ...functionRules,
  ...normalizationRules,
  ...reductionRules,
]);
