/**
 * A program that is complete: its outputs in the plain layout, every slot with its place, and how much memory all
 * takes.
 */
import { type ArenaLayout, layOut } from "./arena.ts";
import type { Program, View } from "./program.ts";

export interface PlacedProgram {
  readonly program: Program;
  readonly outputs: ReadonlyMap<string, View>;
  readonly layout: ArenaLayout;
  /** Of the arena, the scratchpad, and the copy through which the largest parameter is read and written. */
  readonly bytes: number;
}

/** Adds what makes the outputs readable to `program` and lays its memory out. Nothing is allocated. */
export function placeProgram(program: Program): PlacedProgram {
  const outputs = new Map(
    program.graph.outputs.map((value) => [value, program.use(value, program.plain(value))] as const),
  );
  const homes = [...program.homes.values()].map(({ slot }) => slot);
  const layout = layOut(program.steps, homes, new Set([...outputs.values()].map(({ slot }) => slot)), program.inside);
  const staging = program.graph.parameters.reduce((most, { name }) => Math.max(most, program.plain(name).bytes), 0);
  return { program, outputs, layout, bytes: layout.bytes + program.scratchpadBytes + staging };
}
