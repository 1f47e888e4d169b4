/**
 * The numbers of oneDNN's C headers that the sources repeat, against what `scripts/onednn-constants.c` printed from the
 * headers of Debian 12 (2.6.3) and of Debian 13 (3.7.2).
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  algorithm,
  argument,
  dataType,
  engineKindCpu,
  formatKind,
  isaAmx,
  isaAvx512Core,
  isaAvx512CoreBf16,
  propagation,
  query,
  scratchpadModeUser,
  streamInOrder,
  undefinedDataType,
} from "../../../src/engine/onednn/ffi/constants.ts";
import * as version2 from "../../../src/engine/onednn/ffi/constants-2.ts";
import * as version3 from "../../../src/engine/onednn/ffi/constants-3.ts";

type Names<T> = Readonly<Record<keyof T, string>>;

const eltwise: Names<typeof version2.eltwise> = {
  ...{ relu: "relu", tanh: "tanh", linear: "linear", logistic: "logistic", hardSwish: "hardswish" },
  ...{ geluErf: "gelu_erf", geluTanh: "gelu_tanh", elu: "elu", abs: "abs", softRelu: "soft_relu", exp: "exp" },
  ...{ log: "log", mish: "mish", clip: "clip_v2" },
  ...{ reluUseDst: "relu_use_dst_for_bwd", clipUseDst: "clip_v2_use_dst_for_bwd" },
};
const flags: Names<typeof version2.normalizationFlags> = {
  ...{ useGlobalStats: "use_global_stats", useScale: "use_scale", useShift: "use_shift" },
  fuseRelu: "fuse_norm_relu",
};
const algorithms: Names<typeof algorithm> = {
  ...{ convolutionDirect: "convolution_direct", convolutionWinograd: "convolution_winograd" },
  ...{ convolutionAuto: "convolution_auto", deconvolutionDirect: "deconvolution_direct", poolingMax: "pooling_max" },
  poolingAverageIncludePadding: "pooling_avg_include_padding",
  poolingAverageExcludePadding: "pooling_avg_exclude_padding",
  ...{ resamplingLinear: "resampling_linear", binaryAdd: "binary_add", binaryMultiply: "binary_mul" },
  ...{ binaryMaximum: "binary_max", binaryMinimum: "binary_min" },
  ...{ binaryDivide: "binary_div", binarySubtract: "binary_sub" },
};
const arguments_: Names<typeof argument> = {
  ...{ src: "SRC_0", src1: "SRC_1", dst: "DST", weights: "WEIGHTS", bias: "BIAS", mean: "MEAN" },
  ...{ variance: "VARIANCE", scale: "SCALE", shift: "SHIFT", workspace: "WORKSPACE", scratchpad: "SCRATCHPAD" },
  ...{ diffSrc: "DIFF_SRC", diffDst: "DIFF_DST", diffWeights: "DIFF_WEIGHTS", diffBias: "DIFF_BIAS" },
  ...{ diffScale: "DIFF_SCALE", diffShift: "DIFF_SHIFT", multipleSrc: "MULTIPLE_SRC" },
};
const queries: Names<typeof query> = {
  ...{ implementation: "impl_info_str", src: "src_md", diffSrc: "diff_src_md", weights: "weights_md" },
  ...{ diffWeights: "diff_weights_md", dst: "dst_md", diffDst: "diff_dst_md", workspace: "workspace_md" },
  scratchpad: "scratchpad_md",
};

const tags: Names<typeof version2.formatTag> = {
  ...{ any: "format_tag_any", nChw8c: "nChw8c", nChw16c: "nChw16c", nCdhw8c: "nCdhw8c", nCdhw16c: "nCdhw16c" },
};

/** Numbers by their names in the headers. */
function published(version: string): ReadonlyMap<string, number> {
  const text = readFileSync(new URL(`headers/${version}.txt`, import.meta.url), "utf8");
  return new Map([...text.matchAll(/^(.+?) +(\d+)$/gm)].map(([, name = "", value]) => [name, Number(value)]));
}

/** The numbers of the headers by our names. `prefix` is common to all of `names`. */
function expected<T extends object>(
  headers: ReadonlyMap<string, number>,
  names: Names<T>,
  prefix: string,
): Record<string, number | undefined> {
  return Object.fromEntries(
    Object.entries<string>(names).map(([name, theirs]) => [name, headers.get(`${prefix}${theirs}`)]),
  );
}

describe.each([
  ["2.6.3", version2],
  ["3.7.2", version3],
])("oneDNN %s", (version, own) => {
  const headers = published(version);

  test("element-wise functions", () => {
    expect(own.eltwise).toEqual(expected(headers, eltwise, "dnnl_eltwise_"));
  });

  test("flags of batch norm", () => {
    expect(own.normalizationFlags).toEqual(expected(headers, flags, "dnnl_"));
  });

  test("other algorithms: convolution, transposed convolution, pooling, resampling, binary", () => {
    expect(algorithm).toEqual(expected(headers, algorithms, "dnnl_"));
  });

  test("arguments and queries", () => {
    expect(argument).toEqual(expected(headers, arguments_, "DNNL_ARG_"));
    expect(query).toEqual(expected(headers, queries, "dnnl_query_"));
    expect(own.firstPostOpOperand).toBe(headers.get("DNNL_ARG_ATTR_MULTIPLE_POST_OP(0)"));
  });

  test("types, layouts, directions and modes", () => {
    expect(dataType).toEqual(expected<typeof dataType>(headers, { bf16: "bf16", f32: "f32", i32: "s32" }, "dnnl_"));
    const directions: Names<typeof propagation> = {
      ...{ forwardTraining: "forward_training", forwardInference: "forward_inference", backward: "backward" },
    };
    expect(propagation).toEqual(expected(headers, directions, "dnnl_"));
    expect(formatKind).toEqual({ any: headers.get("dnnl_format_kind_any"), blocked: headers.get("dnnl_blocked") });
    expect(own.formatTag).toEqual(expected(headers, tags, "dnnl_"));
    expect(undefinedDataType).toBe(headers.get("dnnl_data_type_undef"));
    expect([engineKindCpu, streamInOrder, scratchpadModeUser]).toEqual(
      ["dnnl_cpu", "dnnl_stream_default_flags", "dnnl_scratchpad_mode_user"].map((name) => headers.get(name)),
    );
  });

  test("instruction sets", () => {
    const sets = ["avx512_core", "avx512_core_bf16", "avx512_core_amx"].map(
      (name) => headers.get(`dnnl_cpu_isa_${name}`) ?? 0,
    );
    expect(sets.slice(0, 2)).toEqual([isaAvx512Core, isaAvx512CoreBf16]);
    const withoutAmx = headers.get("dnnl_cpu_isa_avx512_core_fp16") ?? isaAvx512CoreBf16;
    expect([...sets, withoutAmx].map((set) => (set & isaAmx) === isaAmx)).toEqual([false, false, true, false]);
  });
});

test("structs of version 2 have the headers' sizes and offsets", () => {
  const headers = published("2.6.3");
  const structs: Names<typeof version2.operationSize> = {
    ...{ convolutionForward: "convolution", convolutionBackwardData: "convolution" },
    ...{ convolutionBackwardWeights: "convolution", deconvolutionForward: "deconvolution" },
    ...{ deconvolutionBackwardData: "deconvolution", deconvolutionBackwardWeights: "deconvolution" },
    ...{ normalizationForward: "batch_normalization", normalizationBackward: "batch_normalization" },
    ...{ eltwiseForward: "eltwise", eltwiseBackward: "eltwise", poolingForward: "pooling_v2" },
    ...{ poolingBackward: "pooling_v2", binary: "binary", innerProductForward: "inner_product" },
    ...{ innerProductBackwardData: "inner_product", innerProductBackwardWeights: "inner_product" },
    ...{ matmul: "matmul", resamplingForward: "resampling", resamplingBackward: "resampling" },
  };
  for (const [name, size] of Object.entries(version2.operationSize)) {
    const struct = structs[name as keyof typeof structs];
    expect([name, size]).toEqual([name, headers.get(`sizeof(dnnl_${struct}_desc_t)`)]);
  }
  expect(version2.memorySize).toBe(headers.get("sizeof(dnnl_memory_desc_t)"));
  const fields: Names<typeof version2.memoryOffset> = {
    ...{ ndims: "ndims", dims: "dims", dataType: "data_type", paddedDims: "padded_dims", offset0: "offset0" },
    ...{ formatKind: "format_kind", strides: "format_desc.blocking.strides" },
    ...{ innerBlockCount: "format_desc.blocking.inner_nblks", innerBlocks: "format_desc.blocking.inner_blks" },
    innerAxes: "format_desc.blocking.inner_idxs",
  };
  for (const [name, field] of Object.entries(fields)) {
    const offset = version2.memoryOffset[name as keyof typeof fields];
    expect([name, offset]).toEqual([name, headers.get(`offsetof(dnnl_memory_desc_t, ${field})`)]);
  }
});

test("queries of version 3 have the headers' numbers", () => {
  const headers = published("3.7.2");
  const names: Names<typeof version3.memoryQuery> = {
    ...{ strides: "strides", rank: "ndims_s32", shape: "dims", dataType: "data_type" },
    ...{ offset: "submemory_offset_s64", paddedShape: "padded_dims", formatKind: "format_kind" },
    ...{ blockCount: "inner_nblks_s32", blockSizes: "inner_blks", blockAxes: "inner_idxs" },
  };
  expect(version3.memoryQuery).toEqual(expected(headers, names, "dnnl_query_"));
  expect(version3.scalesArgument).toBe(headers.get("DNNL_ARG_ATTR_SCALES"));
});
