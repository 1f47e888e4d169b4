/**
 * Faults of the library, by version, for which kernels have workarounds. `test/engine/onednn/faults.test.ts`
 * demonstrates each of them on the loaded library.
 */
import type { OneDnn } from "./library.ts";

export interface Faults {
  /** On machines with vectors of 16 numbers. */
  readonly reluBehindSumOfBlocksOf8: boolean;
  /** With a post-op, the padding of a result's last block is set to zero before the sources of that block are read. */
  readonly sumInPlaceOfPaddedChannels: boolean;
  /** One of two factors is applied twice. All kernels avoid a second factor, because that costs nothing. */
  readonly twoFactorsInAChain: boolean;
  /** A copy between memories with the same gaps ignores the gaps (`jit_direct_copy`). */
  readonly copyBetweenEqualGaps: boolean;
  /** With AMX, gradients of weights of 3 x 3 write before their result if rows have more than 224 pixels. */
  readonly weightGradientsOfWideRows: boolean;
  /** With AMX, gradients of dilated kernels are wrong for more than 32 inputs if they are no multiple of 16. */
  readonly weightGradientsOfDilatedRests: boolean;
  /**
   * Without AMX, kernels of one pixel in bf16 read channels-last images of an odd number of channels wrongly, at some
   * numbers of pixels: `jit_bf16_1x1`, forward and for the gradient of the images. Not tried in version 3, where these
   * kernels are avoided as well.
   */
  readonly oddChannelsLast: boolean;
}

const byVersion: Readonly<Record<2 | 3, Faults>> = {
  2: {
    reluBehindSumOfBlocksOf8: true,
    sumInPlaceOfPaddedChannels: true,
    twoFactorsInAChain: true,
    copyBetweenEqualGaps: false,
    weightGradientsOfWideRows: true,
    weightGradientsOfDilatedRests: true,
    oddChannelsLast: true,
  },
  3: {
    reluBehindSumOfBlocksOf8: false,
    sumInPlaceOfPaddedChannels: false,
    twoFactorsInAChain: false,
    copyBetweenEqualGaps: true,
    weightGradientsOfWideRows: false,
    weightGradientsOfDilatedRests: true,
    oddChannelsLast: true,
  },
};

export function faultsOf({ abi }: OneDnn): Faults {
  return byVersion[abi.major];
}
