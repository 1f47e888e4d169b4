/**
 * The two tables of the ONNX format: every op of a network → how it is written, every op of ONNX that is read → how. The first is
 * total: the compiler refuses a new op of the vocabulary until it can be written.
 */
import type { ForwardOpName } from "../../graph/ops.ts";
import { readAdd, writeAdd, writeBias } from "./ops/add.ts";
import { readBatchNormalization, writeBatchNormalization } from "./ops/batch-normalization.ts";
import { readClip, writeClip } from "./ops/clip.ts";
import { readConv, writeConv } from "./ops/conv.ts";
import { readGemm, readMatMul, writeGemm } from "./ops/gemm.ts";
import { readMul, writeMul } from "./ops/mul.ts";
import { readPad, writePad } from "./ops/pad.ts";
import { readCast, readDropout, readIdentity } from "./ops/passing.ts";
import {
  readAveragePool,
  readGlobalAveragePool,
  readMaxPool,
  readReduceMean,
  writeAveragePool,
  writeGlobalAveragePool,
  writeMaxPool,
} from "./ops/pool.ts";
import { readFlatten, readReshape, readSqueeze, readUnsqueeze, writeFlatten } from "./ops/reshape.ts";
import { readConcat, readRelu, writeConcat, writeRelu } from "./ops/simple.ts";
import { readSlice, writeSlice } from "./ops/slice.ts";
import { readExpand } from "./ops/views.ts";
import type { ReadRule, WriteRule } from "./rules.ts";

export const writeRules: { readonly [K in ForwardOpName]: WriteRule<K> } = {
  convolution: writeConv,
  batch_normalization: writeBatchNormalization,
  relu: writeRelu,
  clip: writeClip,
  add: writeAdd,
  bias: writeBias,
  concatenation: writeConcat,
  max_pooling: writeMaxPool,
  average_pooling: writeAveragePool,
  global_average_pooling: writeGlobalAveragePool,
  linear: writeGemm,
  flatten: writeFlatten,
  pad: writePad,
  slice: writeSlice,
  scale: writeMul,
};

export const readRules: ReadonlyMap<string, ReadRule> = new Map([
  ["Add", readAdd],
  ["AveragePool", readAveragePool],
  ["BatchNormalization", readBatchNormalization],
  ["Cast", readCast],
  ["Clip", readClip],
  ["Concat", readConcat],
  ["Conv", readConv],
  ["Dropout", readDropout],
  ["Expand", readExpand],
  ["Flatten", readFlatten],
  ["Gemm", readGemm],
  ["GlobalAveragePool", readGlobalAveragePool],
  ["Identity", readIdentity],
  ["MatMul", readMatMul],
  ["MaxPool", readMaxPool],
  ["Mul", readMul],
  ["Pad", readPad],
  ["ReduceMean", readReduceMean],
  ["Relu", readRelu],
  ["Reshape", readReshape],
  ["Slice", readSlice],
  ["Squeeze", readSqueeze],
  ["Unsqueeze", readUnsqueeze],
]);
