import { expect, test } from "vitest";
import { aboutPart, InternalError, statementOf, UserError } from "../../src/core/errors.ts";
import { fromPortable, toPortable } from "../../src/core/portable-error.ts";
import { failureOf, failureReport } from "../../src/distributed/failure.ts";

const refusal = new UserError("bad-file", "the file is cut short", { about: "a.bin", hint: "Get it again" });

test("a refusal without a hint does not compile", () => {
  // @ts-expect-error: what to do next is missing.
  const bare = (): UserError => new UserError("bad-file", "the file is cut short", { about: "a.bin" });
  // @ts-expect-error: it is missing here, too.
  const barer = (): UserError => new UserError("bad-file", "the file is cut short");
  expect(() => bare()).not.toThrow();
  expect(() => barer()).toThrow(TypeError);
  expect(refusal.message).toBe("a.bin: the file is cut short. Get it again");
});

test("a hint is told once, however often the error is told again", () => {
  expect(statementOf(refusal)).toBe("a.bin: the file is cut short");
  const told = [
    aboutPart(refusal, "point 3"),
    failureOf("rank 1", failureReport(refusal)),
    fromPortable(toPortable(refusal)),
  ];
  for (const error of told) {
    expect(error.message.match(/Get it again/g)).toHaveLength(1);
    expect(error.details.hint).toBe("Get it again");
  }
});

test("a fault of ours stays one on its way between ranks and threads", () => {
  const fault = new InternalError("no plan");
  expect(failureOf("rank 1", failureReport(fault))).toBeInstanceOf(InternalError);
  expect(fromPortable(toPortable(new TypeError("x is undefined")))).toBeInstanceOf(InternalError);
});
