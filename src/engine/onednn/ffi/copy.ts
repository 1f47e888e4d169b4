/** Copies values between layouts and memories, outside of plans. */
import { InternalError } from "../../../core/errors.ts";
import { argument } from "./constants.ts";
import type { OneDnn } from "./library.ts";
import { createMemory, type MemoryDescriptor, NativeMemory } from "./memory.ts";
import { BoundPrimitive, reorderDescriptor } from "./primitive.ts";

/** The values in `memory` from byte `offset` (default 0) on. */
export interface Placed {
  readonly descriptor: MemoryDescriptor;
  readonly memory: NativeMemory;
  readonly offset?: number;
}

export function copyMemory(library: OneDnn, from: Placed, to: Placed): void {
  const primitive = reorderDescriptor(library, from.descriptor, to.descriptor);
  if (primitive === undefined) throw new InternalError("oneDNN has no reorder between two layouts of one shape");
  const scratch = new NativeMemory(library, primitive.memory("scratchpad").bytes);
  const at = ({ descriptor, memory, offset = 0 }: Placed) =>
    createMemory(library, descriptor, memory.address + BigInt(offset));
  const bound = new BoundPrimitive(library, primitive, [
    [argument.src, at(from)],
    [argument.dst, at(to)],
    [argument.scratchpad, createMemory(library, primitive.memory("scratchpad"), scratch.address)],
  ]);
  bound.run();
  bound.destroy();
  primitive.destroy();
  scratch.free();
}
