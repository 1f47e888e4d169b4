/**
 * One training step of ResNet-20 in TensorFlow.js: the twin of `bench/tensorflow.ts`, on the first of its backends for
 * Node that can train it. Same network, batch, loss and optimizer (Nesterov momentum, weight decay).
 *
 *     node bench/peers/tensorflow.mjs <folder with node_modules> <batch>
 *
 * Prints {"versions", "backend", "refused": {backend: why}} once, then for each line {"runs": n} of its input the
 * milliseconds of n steps. The WebGL and WebGPU backends need a browser; tfjs-node fetches its library from outside of
 * npm.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

const [folder, batchText] = process.argv.slice(2);
const batch = Number(batchText);
const require = createRequire(join(folder, "package.json"));
const tf = require("@tensorflow/tfjs");
require("@tensorflow/tfjs-backend-wasm");

const LEARNING_RATE = 0.05;
const MOMENTUM = 0.9;
const WEIGHT_DECAY = 5e-4;
const DEPTH = 20;

/** Variables are made in the backend that is set; those of weights and scales decay. */
function resnet() {
  const decaying = new Set();
  const variable = (value, decays) => {
    const made = tf.variable(value);
    if (decays) decaying.add(made.name);
    return made;
  };
  const convolution = (inputs, outputs, strides) => {
    const deviation = Math.sqrt(2 / (9 * inputs));
    const weights = variable(tf.randomNormal([3, 3, inputs, outputs], 0, deviation), true);
    return (x) => tf.conv2d(x, weights, strides, 1);
  };
  const follow = (running, measured) => running.assign(tf.add(tf.mul(running, 0.9), tf.mul(measured, 0.1)));
  const norm = (channels) => {
    const scale = variable(tf.ones([channels]), true);
    const shift = variable(tf.zeros([channels]), false);
    const runningMean = tf.variable(tf.zeros([channels]), false);
    const runningVariance = tf.variable(tf.ones([channels]), false);
    return (x) => {
      const { mean, variance } = tf.moments(x, [0, 1, 2]);
      follow(runningMean, mean);
      follow(runningVariance, variance);
      return tf.batchNorm(x, mean, variance, shift, scale, 1e-5);
    };
  };
  const block = (inputs, outputs, strides) => {
    const [conv1, norm1] = [convolution(inputs, outputs, strides), norm(outputs)];
    const [conv2, norm2] = [convolution(outputs, outputs, 1), norm(outputs)];
    const side = (outputs - inputs) / 2;
    return (x) => {
      const branch = norm2(conv2(tf.relu(norm1(conv1(x)))));
      // A pooling window of one pixel takes every second pixel, and has a gradient.
      const sampled = strides === 1 ? x : tf.avgPool(x, 1, strides, "valid");
      const shortcut = side === 0 ? sampled : tf.pad(sampled, [...Array(3).fill([0, 0]), [side, side]]);
      return tf.relu(tf.add(branch, shortcut));
    };
  };
  const [stem, stemNorm] = [convolution(3, 16, 1), norm(16)];
  const blocks = [16, 32, 64].flatMap((width, stage) =>
    Array.from({ length: (DEPTH - 2) / 6 }, (_, index) =>
      index === 0 && stage > 0 ? block(width / 2, width, 2) : block(width, width, 1),
    ),
  );
  const weights = variable(tf.randomNormal([64, 10], 0, Math.sqrt(2 / 64)), true);
  const bias = variable(tf.zeros([10]), false);
  const forward = (images) => {
    const features = blocks.reduce((x, run) => run(x), tf.relu(stemNorm(stem(images))));
    return tf.add(tf.matMul(tf.mean(features, [1, 2]), weights), bias);
  };
  return { forward, decaying };
}

function trainingStep() {
  const { forward, decaying } = resnet();
  const images = tf.randomNormal([batch, 32, 32, 3]);
  const labels = tf.oneHot(
    tf.tensor1d(
      Array.from({ length: batch }, (_, image) => image % 10),
      "int32",
    ),
    10,
  );
  const optimizer = tf.train.momentum(LEARNING_RATE, MOMENTUM, true);
  return () =>
    tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => tf.losses.softmaxCrossEntropy(labels, forward(images)));
      const variables = new Map(Object.values(tf.engine().registeredVariables).map((one) => [one.name, one]));
      const decayed = Object.entries(grads).map(([name, gradient]) => [
        name,
        decaying.has(name) ? tf.add(gradient, tf.mul(variables.get(name), WEIGHT_DECAY)) : gradient,
      ]);
      optimizer.applyGradients(Object.fromEntries(decayed));
      return value.dataSync()[0];
    });
}

async function firstThatTrains(backends) {
  const refused = {};
  for (const backend of backends) {
    try {
      if (!(await tf.setBackend(backend))) throw new Error("it does not start");
      const step = trainingStep();
      step();
      return { backend, refused, step };
    } catch (error) {
      [refused[backend]] = error.message.split("\n");
    }
  }
  throw new Error(`no backend trains: ${JSON.stringify(refused)}`);
}

const { backend, refused, step } = await firstThatTrains(["wasm", "cpu"]);
console.log(JSON.stringify({ versions: `TensorFlow.js ${tf.version.tfjs}`, backend, refused }));
for await (const line of createInterface({ input: process.stdin })) {
  const milliseconds = Array.from({ length: JSON.parse(line).runs }, () => {
    const start = performance.now();
    const loss = step();
    if (!Number.isFinite(loss)) throw new Error(`the loss is ${loss}`);
    return performance.now() - start;
  });
  console.log(JSON.stringify({ milliseconds }));
}
