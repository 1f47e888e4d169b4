/**
 * Turns descriptions of operations into primitives. A `PrimitiveDescriptor` is one implementation of the library, with
 * its layouts, scratchpad and name. A `Primitive` is the compiled implementation.
 */
import koffi from "koffi";
import { required } from "../../../core/errors.ts";
import type { Handle, Operation } from "./abi.ts";
import { check, create, statusName } from "./calls.ts";
import { query } from "./constants.ts";
import { faultsOf } from "./faults.ts";
import type { OneDnn } from "./library.ts";
import { copyDescriptor, hasGaps, type MemoryDescriptor, samePlaces } from "./memory.ts";
import { Refusal } from "./refusal.ts";

export class PrimitiveDescriptor {
  readonly handle: Handle;
  readonly #library: OneDnn;

  constructor(library: OneDnn, handle: Handle) {
    this.#library = library;
    this.handle = handle;
  }

  /** The library's name of the implementation: `jit:avx512_core`, `brgconv:…`, `ref:any`. */
  get implementation(): string {
    const out = new BigUint64Array(1);
    check(
      this.#library.calls.primitiveDescQuery(this.handle, query.implementation, 0, out),
      "query the implementation",
    );
    return koffi.decode(required(out[0], "implementation"), "char", -1);
  }

  memory(what: Exclude<keyof typeof query, "implementation">, index = 0): MemoryDescriptor {
    const address = required(this.#library.calls.queryMemory(this.handle, query[what], index), `${what} memory`);
    return copyDescriptor(this.#library, address);
  }

  destroy(): void {
    check(this.#library.calls.primitiveDescDestroy(this.handle), "destroy a primitive descriptor");
  }
}

/**
 * The library's implementations of `operation`, in its order of preference. Backward operations need the forward
 * primitive descriptor as `hint`. The caller destroys the descriptors. If there is none, `onRefused` is called with the
 * library's status.
 */
export function* implementations(
  library: OneDnn,
  operation: Operation,
  hint: PrimitiveDescriptor | undefined,
  attributes: Handle,
  onRefused: (status: string) => void = () => {},
): Generator<PrimitiveDescriptor> {
  const { abi, calls, engine } = library;
  const request = { operation, calls, attributes, engine, hint: hint?.handle };
  for (const handle of abi.implementations(request, (status) => onRefused(statusName(status)))) {
    yield new PrimitiveDescriptor(library, handle);
  }
}

/** The library's first implementation of `operation`. Throws a `Refusal` if it has none. */
export function firstImplementation(
  library: OneDnn,
  operation: Operation,
  hint?: PrimitiveDescriptor,
  attributes: Handle = library.attributes,
): PrimitiveDescriptor {
  let status = "no implementation";
  const found = implementations(library, operation, hint, attributes, (said) => {
    status = said;
  });
  for (const candidate of found) return candidate;
  throw new Refusal(`compute a ${operation.title}`, status);
}

/** A reorder from one layout and memory to another; undefined if the library has none, or only a faulty one. */
export function reorderDescriptor(
  library: OneDnn,
  from: MemoryDescriptor,
  to: MemoryDescriptor,
): PrimitiveDescriptor | undefined {
  const { calls, engine, attributes } = library;
  if (faultsOf(library).copyBetweenEqualGaps && samePlaces(library, from, to) && hasGaps(from)) return undefined;
  const out = new BigUint64Array(1);
  const result = calls.reorderCreate(out, from.native, engine, to.native, engine, attributes);
  return result === 0 ? new PrimitiveDescriptor(library, required(out[0], "reorder")) : undefined;
}

export function concatDescriptor(
  library: OneDnn,
  dst: MemoryDescriptor,
  sources: readonly MemoryDescriptor[],
): PrimitiveDescriptor {
  const { abi, engine, attributes } = library;
  const natives = sources.map(({ native }) => native);
  return new PrimitiveDescriptor(
    library,
    describeOrRefuse("concatenate", (out) => abi.concatenate(out, dst.native, natives, attributes, engine)),
  );
}

/** Like `create`, but undefined if the library does not have such a primitive. */
function describeOrRefuse(what: string, call: (out: BigUint64Array) => number): Handle {
  const out = new BigUint64Array(1);
  const result = call(out);
  if (result !== 0) throw new Refusal(what, statusName(result));
  return required(out[0], what);
}

/** A compiled primitive with bound arguments. Running it is one native call. */
export class BoundPrimitive {
  readonly #library: OneDnn;
  readonly #primitive: Handle;
  readonly #memories: readonly Handle[];
  /** Array of `dnnl_exec_arg_t`: int32 index, 4 bytes of padding, pointer. */
  readonly #table: BigUint64Array;

  /** `memories`: argument index and memory object. The primitive owns the memory objects. */
  constructor(library: OneDnn, descriptor: PrimitiveDescriptor, memories: readonly (readonly [number, Handle])[]) {
    this.#library = library;
    this.#primitive = create("create a primitive", (out) => library.calls.primitiveCreate(out, descriptor.handle));
    this.#memories = memories.map(([, memory]) => memory);
    this.#table = BigUint64Array.from(memories.flatMap(([index, memory]) => [BigInt(index), memory]));
  }

  run(): void {
    const { calls, stream } = this.#library;
    const result = calls.execute(this.#primitive, stream, this.#memories.length, this.#table);
    if (result !== 0) check(result, "execute a primitive");
  }

  destroy(): void {
    const { calls } = this.#library;
    check(calls.primitiveDestroy(this.#primitive), "destroy a primitive");
    for (const memory of this.#memories) check(calls.memoryDestroy(memory), "destroy a memory");
  }
}
