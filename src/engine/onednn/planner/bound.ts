/** The steps of a program, bound to memory: a list of calls. */
import { argument } from "../ffi/constants.ts";
import { createMemory, NativeMemory } from "../ffi/memory.ts";
import { BoundPrimitive } from "../ffi/primitive.ts";
import { type ArenaLayout, offsetOf } from "./arena.ts";
import type { Program } from "./program.ts";
import type { Placement, Step, View } from "./steps.ts";

export interface BoundStep {
  readonly step: Step;
  run(): void;
}

export class BoundProgram {
  readonly steps: readonly BoundStep[];
  readonly memory: NativeMemory;
  readonly placement: Placement;
  readonly #program: Program;
  readonly #scratchpad: NativeMemory;
  readonly #fill: () => void;
  readonly #primitives: BoundPrimitive[] = [];

  constructor(program: Program, layout: ArenaLayout) {
    this.#program = program;
    const memory = new NativeMemory(program.library, layout.bytes);
    this.memory = memory;
    this.placement = { memory, offset: (slot) => offsetOf(layout, slot) };
    this.#scratchpad = new NativeMemory(program.library, program.scratchpadBytes);
    this.#fill = () => {
      for (const [{ content }, offset] of layout.offsets) {
        if (content !== undefined) memory.floats(offset, content.length).set(content);
      }
    };
    this.#fill();
    this.steps = program.steps.map((step) => ({ step, run: this.#bind(step) }));
  }

  /** Resets all memory to its initial content. */
  reset(): void {
    this.memory.clear();
    this.#fill();
  }

  get bytes(): number {
    return this.memory.bytes + this.#scratchpad.bytes;
  }

  free(): void {
    for (const primitive of this.#primitives) primitive.destroy();
    this.memory.free();
    this.#scratchpad.free();
  }

  #bind(step: Step): () => void {
    if (step.kind === "host") return step.bind(this.placement);
    const { library } = this.#program;
    const scratchpad = createMemory(library, step.primitive.memory("scratchpad"), this.#scratchpad.address);
    const bound = new BoundPrimitive(library, step.primitive, [
      ...step.arguments.map(([index, view]) => [index, this.#memoryOf(view)] as const),
      [argument.scratchpad, scratchpad],
    ]);
    this.#primitives.push(bound);
    return () => bound.run();
  }

  #memoryOf({ slot, descriptor, offset = 0 }: View): bigint {
    const address = this.memory.address + BigInt(this.placement.offset(slot) + offset);
    return createMemory(this.#program.library, descriptor, address);
  }
}
