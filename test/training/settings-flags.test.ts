/** The table of settings as flags: what is read is what was written, and every row says what it has to. */
import { Command } from "commander";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addSettingFlags, givenFlags } from "../../src/cli/flags.ts";
import { withRecipe } from "../../src/cli/recipe.ts";
import { readGammas } from "../../src/training/settings/codecs.ts";
import { type SettingFlag, settingFlags, settingsOfFlags } from "../../src/training/settings/flags.ts";
import { type SettingGroup, settingGroups } from "../../src/training/settings/setting.ts";
import { parseSettings, settings } from "../../src/training/settings/settings.ts";

/** The settings that `train resnet-20` with these arguments asks for, every default filled in. */
function settingsFrom(args: readonly string[]) {
  const command = new Command().exitOverride();
  for (const group of Object.keys(settingGroups) as SettingGroup[]) addSettingFlags(command, "train", group);
  command.parse([...args], { from: "user" });
  const given = settingsOfFlags(givenFlags(command, settingFlags));
  return parseSettings(withRecipe(undefined, { model: "resnet-20", settings: given }).settings);
}

/** What a flag may be given, and what it then decides: written down here once more, so that the codecs have a judge. */
interface Example {
  readonly text: string | undefined;
  readonly value: unknown;
}

const exactly = (value: unknown, text = String(value)): Example => ({ text, value });
const examples: Readonly<Record<string, readonly Example[]>> = {
  epochs: [exactly(1), exactly(240)],
  gamma: [exactly({ neurons: 0.25, blocks: 0 }, "neurons=0.25,blocks=0"), exactly({ streams: 1e-7 }, "streams=1e-7")],
  "gamma-neurons": [exactly(0), exactly(0.0016)],
  "gamma-groups": [exactly(0.5)],
  "gamma-blocks": [exactly(1e-9), exactly(3)],
  "gamma-streams": [exactly(0.002)],
  "gamma-by": [exactly("none"), exactly("macs"), exactly("parameters"), exactly("latency")],
  budget: [
    exactly({ of: "macs", share: 0.5 }, "50%"),
    exactly({ of: "parameters", share: 0.125 }, "12.5%-params"),
    exactly({ of: "macs", count: 20e6 }, "20M-macs"),
    exactly({ of: "parameters", count: 100_000 }, "100k-params"),
    exactly({ of: "latency", share: 0.5 }, "50%-latency"),
    exactly({ of: "latency", count: 1.5 }, "1.5ms"),
  ],
  "latency-table": [exactly("tables/phone.json")],
  "gamma-after": [exactly(0), exactly(2.5)],
  "budget-by": [exactly(3), exactly(0.5)],
  round: [exactly(1), exactly(8)],
  patience: [exactly(0.25), exactly(4)],
  shrink: [{ text: undefined, value: false }],
  batch: [exactly(1), exactly(256)],
  accumulate: [exactly(8)],
  seed: [exactly(0), exactly(4294967295)],
  schedule: [exactly("one-cycle"), exactly("cosine"), exactly("step"), exactly("triangular")],
  "learning-rate": [exactly(0.05), exactly(1e-4)],
  momentum: [exactly(0), exactly(0.99)],
  "weight-decay": [exactly(0), exactly(1e-4)],
  "decoupled-weight-decay": [{ text: undefined, value: true }],
  "decay-of": [exactly({ shift: 1 }, "shift=1"), exactly({ bias: 0.5, linear: 0 }, "bias=0.5,linear=0")],
  "rate-of": [exactly({ shift: 64 }, "shift=64"), exactly({ factor: 0.1, scale: 2 }, "factor=0.1, scale=2")],
  "label-smoothing": [exactly(0.1)],
  mixup: [{ text: undefined, value: { kind: "mixup", alpha: 0.2 } }, exactly({ kind: "mixup", alpha: 0.5 }, "0.5")],
  cutmix: [{ text: undefined, value: { kind: "cutmix", alpha: 1 } }, exactly({ kind: "cutmix", alpha: 2 }, "2")],
  "class-weights": [exactly("balanced")],
  clip: [exactly(1), exactly(0.5)],
  "freeze-bn": [{ text: undefined, value: true }],
  "fix-bn-scale": [{ text: undefined, value: true }],
  distill: [
    { text: undefined, value: { weight: 0.5, temperature: 4 } },
    exactly({ weight: 0.25, temperature: 4 }, "0.25"),
    exactly({ weight: 0.7, temperature: 2 }, "0.7,2"),
    exactly(false, "none"),
  ],
  "from-scratch": [{ text: undefined, value: true }],
  task: [exactly("classes"), exactly("multi-label")],
  teach: [exactly("outputs")],
  "teach-temperature": [exactly(4), exactly(1)],
  "output-weights": [exactly({ boxes: 1, scores: 0.5 }, "boxes=1,scores=0.5")],
  "output-kinds": [exactly({ y: "logits", z: "values" }, "y=logits,z=values")],
  columns: [exactly({ x: ["age"], y: ["a", "b c"] }, "x=age,y=a+b c")],
  outputs: [exactly(["logits"], "logits"), exactly(["map0", "map1"], "map0,map1")],
  input: [exactly({ scale: 1, keep: 0.5 }, "scale=1,keep=0.5")],
  "keep-head": [{ text: undefined, value: true }],
  "head-epochs": [exactly(1), exactly(3)],
  flip: [exactly("random"), exactly("alternating"), exactly("none")],
  pad: [exactly(0), exactly(2)],
  border: [exactly("black"), exactly("reflect")],
  augment: [{ text: undefined, value: false }],
  int8: [{ text: undefined, value: true }],
  "int8-epochs": [exactly(1), exactly(0.5)],
  "int8-keep": [exactly(["stem.conv", "fc"], "stem.conv,fc")],
  optimizer: [exactly("sgd"), exactly("muon")],
  "average-weights": [exactly("ema"), exactly("lookahead")],
  "sync-bn": [{ text: undefined, value: true }],
  engine: [exactly("onednn"), exactly("reference")],
  threads: [exactly(3)],
  precision: [exactly("f32"), exactly("bf16"), exactly("auto")],
  tta: [exactly("flip"), exactly("flip+shift")],
  limit: [exactly(640)],
  latency: [{ text: undefined, value: false }],
  "restore-bn": [{ text: undefined, value: false }],
  name: [exactly("a.b-c_1")],
};

/** Flags of which a run takes one, each with one of its examples. */
const chosen = fc
  .record(Object.fromEntries(settingFlags.map(({ key }) => [key, fc.constantFrom(...(examples[key] ?? []))])), {
    requiredKeys: [],
  })
  .filter((flags) => !("mixup" in flags && "cutmix" in flags));

function argumentsOf({ flag }: SettingFlag, { text }: Example): string {
  const [name = ""] = flag.split(" ");
  return text === undefined ? name : `${name}=${text}`;
}

describe("flags of settings", () => {
  it("have an example each", () => {
    expect(settingFlags.map(({ key }) => key).toSorted()).toEqual(Object.keys(examples).toSorted());
  });

  it("come back as the settings that they were written from, in any combination", () => {
    fc.assert(
      fc.property(chosen, (flags) => {
        const given = settingFlags.flatMap((flag) => {
          const example = flags[flag.key];
          return example === undefined ? [] : [{ flag, example }];
        });
        const found = settingsFrom(given.map(({ flag, example }) => argumentsOf(flag, example)));
        const expected: Record<string, unknown> = { ...parseSettings({ epochs: 40, precision: "auto" }) };
        const { schedule, "learning-rate": rate } = flags;
        const kind = schedule?.value ?? "one-cycle";
        const peak = rate === undefined ? {} : { peak: rate.value };
        expected["schedule"] = parseSettings({ epochs: 1, schedule: { kind, ...peak } }).schedule;
        for (const { flag, example } of given) {
          const { setting, part, key } = flag;
          const held = expected[setting];
          // --no-shrink comes before --patience, and --no-augment before --pad, which stand in front of them.
          if (setting === "schedule") continue;
          if (setting === "averageWeights") {
            const decay = example.value === "ema" ? 0.99 : 0.95;
            expected[setting] = { kind: example.value, every: 5, power: 3, decay };
            continue;
          }
          if (part === undefined) expected[setting] = example.value;
          else expected[setting] = { ...(typeof held === "object" ? held : {}), [part]: example.value };
          if (key === "shrink" || key === "augment") expected[setting] = false;
        }
        expect(found).toEqual(expected);
      }),
    );
  });

  it("are refused where two of them say different things", () => {
    expect(() => settingsFrom(["--mixup", "--cutmix", "2"])).toThrow(/--mixup and --cutmix exclude each other/);
  });

  it("name themselves in what they refuse", () => {
    expect(() => settingsFrom(["--batch", "many"])).toThrow(/--batch: not a whole number/);
    expect(() => settingsFrom(["--seed", "-1"])).toThrow(/--seed.*a whole number from 0/);
    expect(() => settingsFrom(["--distill", "1,2,3"])).toThrow(/--distill.*0\.5,4/);
    expect(() => settingsFrom(["--schedule", "cosin"])).toThrow(/Did you mean "cosine"/);
    expect(() => settingsFrom(["--rate-of", "64"])).toThrow(/--rate-of: .*lacks the name of a kind of parameters/);
    expect(() => settingsFrom(["--rate-of", "bais=64"])).toThrow(/kind in --rate-of.*Did you mean "bias"/);
    expect(() => settingsFrom(["--rate-of", "bias=64=2"])).toThrow(/unknown kind in --rate-of "bias=64"/);
    expect(() => settingsFrom(["--output-weights", "a=1,b=2,a=3"])).toThrow(/"a" is there twice/);
    expect(() => settingsFrom(["--output-weights", "__proto__=1"])).toThrow(/the name is reserved/);
    expect(() => settingsFrom(["--output-weights", "boxes=1,2"])).toThrow(/lacks the name of an output/);
  });
});

describe("a flag with a negation", () => {
  it("is refused by it, and the later of the two counts", () => {
    expect(settingsFrom(["--no-distill"]).distill).toBe(false);
    expect(settingsFrom(["--no-distill", "--distill=0.3"]).distill).toEqual({ weight: 0.3, temperature: 4 });
    expect(settingsFrom(["--distill", "--no-distill"]).distill).toBe(false);
    expect(settingsFrom([]).distill).toBeUndefined();
  });
});

describe("rows of the table of settings", () => {
  it.each(settings)("%s says what it is, and parses to its default", (name, row) => {
    expect(row.help).toMatch(/^\S.{9,}[^.]$/);
    expect(settingGroups).toHaveProperty(row.group);
    const { [name]: value } = parseSettings({ epochs: 40 });
    if (row.isRequired === true) expect(value).toBe(40);
    // What has neither a default value nor words for what happens without one would leave a reader alone.
    else expect(value ?? row.default).toBeDefined();
    for (const { flag, label } of row.flags ?? []) {
      expect(flag).toMatch(/^--[a-z][a-z\d-]*( [<[].+[>\]])?$/);
      expect(label?.length ?? 1).toBeGreaterThan(0);
    }
  });

  it("have a flag of their own each", () => {
    const keys = settingFlags.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("γ", () => {
  it("is one number for all kinds, or a number a kind", () => {
    expect(readGammas("0.01")).toEqual({ all: 0.01 });
    expect(readGammas("neurons=0.0016,blocks=0.02")).toEqual({ neurons: 0.0016, blocks: 0.02 });
    expect(readGammas("groups=0,streams=0.1")).toEqual({ groups: 0, streams: 0.1 });
  });

  it("is never negative, and only of kinds there are", () => {
    expect(() => readGammas("-0.1")).toThrow(/never below 0/);
    expect(() => readGammas("blocks=-1")).toThrow(/never below 0/);
    expect(() => readGammas("blocks=")).toThrow(/not a number/);
    expect(() => readGammas("block=1")).toThrow(/Did you mean "blocks"/);
  });
});
