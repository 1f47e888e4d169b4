/**
 * Loads the folder of the first argument with transformers.js, classifies the image files of the others, and prints the
 * answers as JSON. A process of its own: the library is not typed as this repository is, and brings a runtime.
 */
import { basename, dirname } from "node:path";
import { env, pipeline } from "@huggingface/transformers";

const [folder = "", ...files] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(folder);
const classify = await pipeline("image-classification", basename(folder));
const answers = [];
for (const file of files) answers.push(await classify(file, { top_k: null }));
console.log(JSON.stringify(answers));
