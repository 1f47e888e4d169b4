/** A complete program: its outputs have the plain layout, every slot has an offset, and its total memory is known. */
import { type ArenaLayout, layOut } from "./arena.ts";
import type { Program } from "./program.ts";
import type { View } from "./steps.ts";

export interface PlacedProgram {
  readonly program: Program;
  readonly outputs: ReadonlyMap<string, View>;
  readonly layout: ArenaLayout;
  /** Bytes of the arena, the scratchpad, and the buffer through which parameters are read and written. */
  readonly bytes: number;
}

/** Adds reorders of the outputs into the plain layout to `program`, and places its memory. It allocates nothing. */
export function placeProgram(program: Program): PlacedProgram {
  const outputs = new Map(
    program.graph.outputs.map((value) => [value, program.use(value, program.plain(value))] as const),
  );
  const homes = [...program.homes.values()].map(({ slot }) => slot);
  const layout = layOut(program.steps, homes, new Set([...outputs.values()].map(({ slot }) => slot)), program.inside);
  const staging = program.graph.parameters.reduce((most, { name }) => Math.max(most, program.plain(name).bytes), 0);
  return { program, outputs, layout, bytes: layout.bytes + program.scratchpadBytes + staging };
}
