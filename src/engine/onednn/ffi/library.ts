/**
 * Loads oneDNN and declares the functions called. Everything is a `void *` to koffi; handles come back as BigInt.
 * oneDNN 3 describes operations differently: what differs stays in this folder, so that it can follow.
 */
import koffi from "koffi";
import { InternalError, UserError } from "../../../core/errors.ts";
import { algorithm, engineKindCpu, scratchpadModeUser, status, streamInOrder } from "./constants.ts";

/** A native pointer. */
export type Handle = bigint;
/** Anything koffi passes as a pointer: an address, or an array whose memory the callee reads or fills. */
export type Pointer = Handle | Uint8Array | BigInt64Array | BigUint64Array | Float32Array | null;

const RTLD_NOW_NODELETE = 0x1002;
const LIBRARY = "libdnnl.so.2";
const OLDEST = [2, 6] as const;
const INSTALL_HINT =
  'Install it with "apt-get install libdnnl2" (Debian 12, Ubuntu 22.04 and newer), or ask for the slow reference engine with --engine reference';

type Call = (...parameters: (Pointer | number)[]) => number;

function load() {
  const libc = koffi.load("libc.so.6");
  const dlopen = libc.func("void *dlopen(const char *file, int mode)");
  // koffi unloads its libraries at exit while OpenMP's threads still spin in them, which crashes; NODELETE pins both.
  const openMp = "libgomp.so.1";
  dlopen(openMp, RTLD_NOW_NODELETE);
  if (dlopen(LIBRARY, RTLD_NOW_NODELETE) === null) {
    throw new UserError("engine-missing", `oneDNN (${LIBRARY}) is not installed`, { hint: INSTALL_HINT });
  }
  const library = koffi.load(LIBRARY);
  const declare = (name: string, parameters: readonly string[]): Call => {
    try {
      return library.func(name, "int", [...parameters]);
    } catch (cause) {
      throw new UserError("engine-missing", `${LIBRARY} has no function ${name}`, {
        expected: `oneDNN ${OLDEST.join(".")} or a newer 2.x`,
        hint: INSTALL_HINT,
        cause,
      });
    }
  };
  const pointers = (count: number): string[] => new Array<string>(count).fill("void *");
  const version = koffi.decode(
    library.func("dnnl_version", "void *", [])(),
    koffi.struct({ major: "int", minor: "int", patch: "int", hash: "const char *", runtime: "uint" }),
  );
  if (version.major !== OLDEST[0] || version.minor < OLDEST[1]) {
    throw new UserError("engine-missing", "this oneDNN is too old or too new", {
      about: LIBRARY,
      expected: `${OLDEST.join(".")} or a newer 2.x`,
      received: `${version.major}.${version.minor}.${version.patch}`,
      hint: INSTALL_HINT,
    });
  }
  const getSize = library.func("size_t dnnl_memory_desc_get_size(void *md)");
  const queryMemory = library.func("void *dnnl_primitive_desc_query_md(void *pd, int what, int index)");
  const fetch = library.func("void *dnnl_primitive_desc_iterator_fetch(void *iterator)");
  const alignedAllocate = libc.func("void *aligned_alloc(size_t alignment, size_t bytes)");
  return {
    version: `${version.major}.${version.minor}.${version.patch}`,
    instructionSet: library.func("int dnnl_get_effective_cpu_isa()")() as number,
    alignedAllocate: (alignment: number, bytes: number): Handle | null => alignedAllocate(alignment, bytes),
    /** From native memory into an array (koffi's views are not given back while the process lives). */
    copy: libc.func("void *memcpy(void *target, void *source, size_t bytes)") as (
      target: Uint8Array,
      source: Handle,
      bytes: number,
    ) => Handle,
    free: libc.func("void free(void *memory)") as (memory: Handle) => void,
    /** For primitives that the calling thread executes from now on. */
    setThreads: koffi.load(openMp).func("void omp_set_num_threads(int count)") as (count: number) => void,
    memorySize: (descriptor: Pointer): number => Number(getSize(descriptor)),
    queryMemory: (primitive: Handle, what: number, index: number): Handle | null => queryMemory(primitive, what, index),
    iteratorFetch: (iterator: Handle): Handle => fetch(iterator),

    engineCreate: declare("dnnl_engine_create", ["void *", "int", "size_t"]),
    streamCreate: declare("dnnl_stream_create", ["void *", "void *", "uint"]),
    attrCreate: declare("dnnl_primitive_attr_create", pointers(1)),
    attrDestroy: declare("dnnl_primitive_attr_destroy", pointers(1)),
    attrSetScratchpad: declare("dnnl_primitive_attr_set_scratchpad_mode", ["void *", "int"]),
    attrSetPostOps: declare("dnnl_primitive_attr_set_post_ops", pointers(2)),
    postOpsCreate: declare("dnnl_post_ops_create", pointers(1)),
    postOpsDestroy: declare("dnnl_post_ops_destroy", pointers(1)),
    postOpsAppendEltwise: declare("dnnl_post_ops_append_eltwise", ["void *", "float", "int", "float", "float"]),

    memoryInitByTag: declare("dnnl_memory_desc_init_by_tag", ["void *", "int", "void *", "int", "int"]),
    memoryInitByStrides: declare("dnnl_memory_desc_init_by_strides", ["void *", "int", "void *", "int", "void *"]),
    memoryInitSubmemory: declare("dnnl_memory_desc_init_submemory", pointers(4)),
    memoryEqual: declare("dnnl_memory_desc_equal", pointers(2)),
    memoryCreate: declare("dnnl_memory_create", pointers(4)),
    memoryDestroy: declare("dnnl_memory_destroy", pointers(1)),

    convolutionForward: declare("dnnl_dilated_convolution_forward_desc_init", ["void *", "int", "int", ...pointers(8)]),
    convolutionBackwardData: declare("dnnl_dilated_convolution_backward_data_desc_init", [
      "void *",
      "int",
      ...pointers(7),
    ]),
    convolutionBackwardWeights: declare("dnnl_dilated_convolution_backward_weights_desc_init", [
      "void *",
      "int",
      ...pointers(8),
    ]),
    normalizationForward: declare("dnnl_batch_normalization_forward_desc_init", [
      "void *",
      "int",
      "void *",
      "float",
      "uint",
    ]),
    normalizationBackward: declare("dnnl_batch_normalization_backward_desc_init", [
      "void *",
      "int",
      "void *",
      "void *",
      "float",
      "uint",
    ]),
    eltwiseForward: declare("dnnl_eltwise_forward_desc_init", ["void *", "int", "int", "void *", "float", "float"]),
    eltwiseBackward: declare("dnnl_eltwise_backward_desc_init", [
      "void *",
      "int",
      "void *",
      "void *",
      "float",
      "float",
    ]),
    poolingForward: declare("dnnl_pooling_v2_forward_desc_init", ["void *", "int", "int", ...pointers(7)]),
    poolingBackward: declare("dnnl_pooling_v2_backward_desc_init", ["void *", "int", ...pointers(7)]),
    binary: declare("dnnl_binary_desc_init", ["void *", "int", ...pointers(3)]),
    innerProductForward: declare("dnnl_inner_product_forward_desc_init", ["void *", "int", ...pointers(4)]),
    innerProductBackwardData: declare("dnnl_inner_product_backward_data_desc_init", pointers(4)),
    innerProductBackwardWeights: declare("dnnl_inner_product_backward_weights_desc_init", pointers(5)),

    iteratorCreate: declare("dnnl_primitive_desc_iterator_create", pointers(5)),
    iteratorNext: declare("dnnl_primitive_desc_iterator_next", pointers(1)),
    iteratorDestroy: declare("dnnl_primitive_desc_iterator_destroy", pointers(1)),
    reorderCreate: declare("dnnl_reorder_primitive_desc_create", pointers(6)),
    concatCreate: declare("dnnl_concat_primitive_desc_create", [
      "void *",
      "void *",
      "int",
      "int",
      "void *",
      "void *",
      "void *",
    ]),
    primitiveDescDestroy: declare("dnnl_primitive_desc_destroy", pointers(1)),
    primitiveDescQuery: declare("dnnl_primitive_desc_query", ["void *", "int", "int", "void *"]),
    primitiveCreate: declare("dnnl_primitive_create", pointers(2)),
    primitiveDestroy: declare("dnnl_primitive_destroy", pointers(1)),
    execute: declare("dnnl_primitive_execute", ["void *", "void *", "int", "void *"]),
    streamWait: declare("dnnl_stream_wait", pointers(1)),
  };
}

export interface OneDnn {
  readonly calls: ReturnType<typeof load>;
  readonly engine: Handle;
  readonly stream: Handle;
  /** Attributes with the scratchpad in our hands, so that all primitives share one. */
  readonly attributes: Handle;
  /** The same, with a ReLU after the primitive. */
  attributesWithRelu(): Handle;
}

/** Raises the library's status of a call as an error, unless it is success. */
export function check(result: number, what: string): void {
  if (result !== 0) throw new InternalError(`oneDNN: ${what}: ${status[result] ?? `status ${result}`}`);
}

/** Calls a function whose first parameter is an out-pointer, and returns what it wrote there. */
export function create(what: string, call: (out: BigUint64Array) => number): Handle {
  const out = new BigUint64Array(1);
  check(call(out), what);
  return out[0] ?? 0n;
}

let loaded: OneDnn | undefined;

/** The library, loaded once a process; its engine, stream and attributes live as long as the process. */
export function oneDnn(): OneDnn {
  if (loaded !== undefined) return loaded;
  const calls = load();
  const engine = create("create the engine", (out) => calls.engineCreate(out, engineKindCpu, 0));
  const stream = create("create the stream", (out) => calls.streamCreate(out, engine, streamInOrder));
  const makeAttributes = (): Handle => {
    const attributes = create("create attributes", (out) => calls.attrCreate(out));
    check(calls.attrSetScratchpad(attributes, scratchpadModeUser), "set the scratchpad mode");
    return attributes;
  };
  let withRelu: Handle | undefined;
  loaded = {
    calls,
    engine,
    stream,
    attributes: makeAttributes(),
    attributesWithRelu: () => {
      if (withRelu === undefined) {
        withRelu = makeAttributes();
        const postOps = create("create post-ops", (out) => calls.postOpsCreate(out));
        check(calls.postOpsAppendEltwise(postOps, 1, algorithm.relu, 0, 0), "append a ReLU");
        check(calls.attrSetPostOps(withRelu, postOps), "set post-ops");
        check(calls.postOpsDestroy(postOps), "destroy post-ops");
      }
      return withRelu;
    },
  };
  return loaded;
}
