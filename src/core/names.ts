/** Errors for unknown names, with a suggestion. */
import { closest, distance } from "fastest-levenshtein";
import { UserError } from "./errors.ts";

/**
 * A `UserError` for the unknown `name` of a `what`. It suggests the nearest known name, or lists all if none is near.
 */
export function unknownName(what: string, name: string, known: readonly string[]): UserError {
  const nearest = known.length > 0 ? closest(name, known) : undefined;
  const isNear = nearest !== undefined && distance(name, nearest) <= Math.max(2, name.length / 3);
  return new UserError("unknown-name", `unknown ${what} "${name}"`, {
    hint: isNear ? `Did you mean "${nearest}"?` : `Known: ${known.join(", ")}`,
  });
}
