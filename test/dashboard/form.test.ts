import { describe, expect, it } from "vitest";
import { Interruption } from "../../src/cli/interruption.ts";
import { createProgram } from "../../src/cli/program.ts";
import { fieldGroups, formFields } from "../../src/dashboard/fields.ts";
import { argumentsOf, FormError, parseForm } from "../../src/dashboard/form.ts";
import { settingFlags } from "../../src/training/settings/flags.ts";
import { settingGroups } from "../../src/training/settings/setting.ts";
import { recordingTerminal } from "../cli/support.ts";

const good = { model: "resnet-20", data: "cifar10", epochs: 1 };

/** The field that a form is refused for, and what is said about it. */
function refusal(form: unknown): readonly [field: string, message: string] {
  try {
    parseForm(form);
  } catch (error) {
    if (error instanceof FormError) return [error.field, error.message];
    throw error;
  }
  return ["", ""];
}

describe("the form of a new run", () => {
  it("has flags of the command line only, each as it is there", () => {
    const { terminal } = recordingTerminal();
    const program = createProgram({ stdout: terminal, stderr: terminal, interruption: new Interruption() }, "0");
    const train = program.commands.find((command) => command.name() === "train");
    const options = new Map(train?.options.map((option) => [option.long, option] as const));
    for (const { flag, field } of formFields) {
      const { kind, choices } = field;
      if (flag === undefined) continue;
      const option = options.get(flag);
      const takesValue = option?.required === true || option?.optional === true;
      expect([flag, option !== undefined, takesValue]).toEqual([flag, true, kind !== "switch"]);
      // Choices are those that the option takes.
      for (const choice of choices ?? []) expect(option?.parseArg?.(choice, undefined)).toBe(choice);
    }
  });

  it("has a field for every flag of a setting that has a label, in the group of the setting", () => {
    const shown = fieldGroups.flatMap(({ title, fields }) => fields.map(({ key }) => [key, title] as const));
    const labelled = settingFlags.filter(({ label }) => label !== undefined);
    expect(labelled.length).toBeGreaterThan(30);
    for (const { key, row } of labelled) expect(shown).toContainEqual([key, settingGroups[row.group]]);
    // What has none: --gamma, which is all kinds at once, and what only ranks of mpirun need.
    expect(settingFlags.filter(({ label }) => label === undefined).map(({ key }) => key)).toEqual(["gamma", "sync-bn"]);
    expect(shown.map(([key]) => key)).toEqual(
      expect.arrayContaining(["recipe", "model", "data", "size", "split-seed"]),
    );
    expect(new Set(shown.map(([key]) => key)).size).toBe(shown.length);
    expect(JSON.parse(JSON.stringify(fieldGroups))).toEqual(fieldGroups);
  });

  it.each([
    [{ ...good, epochs: 0 }, "epochs"],
    [{ ...good, epochs: "many" }, "epochs"],
    [{ ...good, batch: 1.5 }, "batch"],
    [{ ...good, "gamma-neurons": -1 }, "gamma-neurons"],
    [{ ...good, "gamma-groups": 0.1 }, "gamma-groups"],
    [{ ...good, budget: "half" }, "budget"],
    [{ ...good, budget: "150%" }, "budget"],
    [{ ...good, round: "a few" }, "round"],
    [{ ...good, patience: -1 }, "patience"],
    [{ ...good, "learning-rate": 0 }, "learning-rate"],
    [{ ...good, schedule: "wave" }, "schedule"],
    [{ ...good, momentum: 1 }, "momentum"],
    [{ ...good, "label-smoothing": 2 }, "label-smoothing"],
    [{ ...good, mixup: 0.2, cutmix: 1 }, "cutmix"],
    [{ ...good, mixup: -1 }, "mixup"],
    [{ ...good, distill: "0.5;4" }, "distill"],
    [{ ...good, distill: "2,4" }, "distill"],
    [{ ...good, size: "large" }, "size"],
    [{ ...good, limit: 0 }, "limit"],
    [{ ...good, threads: 0 }, "threads"],
    [{ ...good, name: "../up" }, "name"],
    [{ ...good, model: "resnet-21" }, "model"],
    [{ ...good, recipe: "sss-resnet-21" }, "recipe"],
    [{ ...good, recipe: "/etc/passwd.json" }, "recipe"],
    [{ data: "cifar10", epochs: 1 }, "model"],
    [{ model: "resnet-20", data: "cifar10" }, "epochs"],
  ])("refuses %j at %s", (form, field) => {
    const [about, message] = refusal(form);
    expect(about).toBe(field);
    expect(message).not.toBe("");
  });

  it("is written out as the command line it stands for", () => {
    const form = parseForm({
      ...good,
      ...{ "gamma-neurons": 0.01, budget: "50%", round: "auto", schedule: "cosine", precision: "auto" },
      ...{ shrink: false, augment: true, "freeze-bn": true, distill: "0.5,4", name: "mine" },
    });
    expect(argumentsOf(form, "/runs/mine")).toEqual([
      ...["train", "--data=cifar10", "--epochs=1", "--gamma-neurons=0.01", "--budget=50%", "--round=auto"],
      ...["--no-shrink", "--schedule=cosine", "--freeze-bn", "--distill=0.5,4", "--precision=auto"],
      ...["--out=/runs/mine", "--json", "--", "resnet-20"],
    ]);
  });

  it("leaves to a recipe what it does not say itself", () => {
    const form = parseForm({ recipe: "sss-resnet-20-cifar10-short", epochs: 2, "learning-rate": 0.1, shrink: true });
    expect(argumentsOf(form, "/runs/short")).toEqual([
      ...["train", "--recipe=sss-resnet-20-cifar10-short", "--epochs=2", "--learning-rate=0.1"],
      ...["--out=/runs/short", "--json"],
    ]);
  });
});
