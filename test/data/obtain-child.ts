/** A process for `cifar10-cache.test.ts`: obtains the fake CIFAR-10 that a JSON file describes. */
import { readFileSync } from "node:fs";
import { obtainCifar10 } from "../../src/data/cifar10-cache.ts";
import { type FakeDescription, fakeSource } from "./cifar10-fake.ts";

const [cache = "", file = "", milliseconds = "0"] = process.argv.slice(2);
const description: FakeDescription = JSON.parse(readFileSync(file, "utf8"));
const source = fakeSource(description, Number(milliseconds));
const folder = await obtainCifar10({ cache, source, onProgress: ({ phase }) => console.log(phase) });
console.log(`folder ${folder}`);
