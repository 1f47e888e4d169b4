/**
 * Which widths a runtime computes with its fast kernels. These work on blocks of channels. A layer whose width does not
 * suit them is computed by other kernels, with the channels in another layout, and takes another time.
 */

/** What a table says of the runtime's blocks. */
export interface Blocks {
  /** Channels that the runtime computes at once. */
  readonly channelBlock: number;
  /** Its convolutions read inputs in blocks if their number is a multiple of this; 1 if it has no such number. */
  readonly inputAlignment?: number | undefined;
}

/**
 * Whether the fast kernels compute a layer of these widths. Convolutions fill up the last block of their outputs, so
 * their inputs count, and fewer than a block are read as they are. Layers without weights, and depthwise ones, keep the
 * layout of what they read, which is in blocks if it fills them.
 */
export function isAligned(
  key: string,
  outputs: number,
  inputs: number,
  { channelBlock, inputAlignment = 1 }: Blocks,
): boolean {
  if (inputAlignment === 1 || /^(linear|grouped|deconvolution)/.test(key)) return true;
  if (key.startsWith("convolution")) return inputs < channelBlock || inputs % inputAlignment === 0;
  return outputs % channelBlock === 0;
}
