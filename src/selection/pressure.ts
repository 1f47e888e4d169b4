/**
 * The γ of each structure while a budget is steered: by what is done to it, what holds it and how far it may move until the
 * next look. Who has it done is decided in `steering.ts`.
 */
import type { Factor } from "./factors.ts";

/** No γ may move a factor, beyond what holds it, by more than this until the next look. */
export const LONGEST_WAY = 0.5;
/** How far a structure is lifted until the next look, at least. */
const LIFT = 0.1;
/** γ that no gradient of a structure at zero comes up against. */
export const HOLDING = 100;

/**
 * What is done to a structure: γ = 0; the γ of its kind; as much as is safe; kept at zero; or pushed the other way, because it
 * would die out of its turn, or did.
 */
export const modes = { spared: "0", pressed: "1", urged: "2", held: "3", lifted: "4" } as const;

export interface SteeringState {
  /** Times the γ of each kind: that of the structures which are pressed. */
  readonly gamma: number;
  /** With what holds a structure, the γ of those which are urged, and the most for those which are pressed. */
  readonly largest: number;
  /** By factor parameter: the γ that comes up against the gradient of each structure, as its velocity has shown. */
  readonly holds: Readonly<Record<string, readonly number[]>>;
  readonly isMet: boolean;
  /** By factor parameter: a mode for each structure. */
  readonly modes: Readonly<Record<string, string>>;
  /** What an exact count had more than the model, as a share of the full cost. */
  readonly correction: number;
}

export interface Structure {
  readonly number: number;
  readonly factor: Factor;
  readonly index: number;
  /** Of its kind and its cost, times the common γ. */
  readonly ratio: number;
}

export function holdOf({ factor, index }: Structure, { holds }: Pick<SteeringState, "holds">): number {
  return holds[factor.parameter]?.[index] ?? 0;
}

/** The most that is safe: what holds the structure, and what moves it as far as it may go until the next look. */
export function mostOf(structure: Structure, state: Pick<SteeringState, "holds" | "largest">): number {
  return Math.min(HOLDING, state.largest + holdOf(structure, state));
}

export function pressed(structure: Structure, state: SteeringState): number {
  return Math.min(mostOf(structure, state), state.gamma * structure.ratio);
}

/** γ of one structure. */
export function gammaAt(structure: Structure, state: SteeringState): number {
  const { gamma, largest } = state;
  const { factor, index, ratio } = structure;
  switch (state.modes[factor.parameter]?.[index]) {
    case modes.held:
      return HOLDING;
    case modes.urged:
      return mostOf(structure, state);
    case modes.pressed:
      return pressed(structure, state);
    case modes.lifted:
      return -Math.min(largest, Math.max(gamma * ratio, (largest * LIFT) / LONGEST_WAY));
    default:
      return 0;
  }
}
