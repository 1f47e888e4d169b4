/**
 * Faults of the library that kernels work around, by version. `test/engine/onednn/faults.test.ts` shows each on the
 * library that is loaded.
 */
import type { OneDnn } from "./library.ts";

export interface Faults {
  /** On machines with vectors of 16 numbers. */
  readonly reluBehindSumOfBlocksOf8: boolean;
  /** With a post-op, the padding of a result's last block is set to zero before that block's sources are read. */
  readonly sumInPlaceOfPaddedChannels: boolean;
  /**
   * One of two factors is applied twice. Kernels write chains without a second factor, which costs nothing elsewhere.
   */
  readonly twoFactorsInAChain: boolean;
  /** A copy between memories with the same gaps is made as if there were none (`jit_direct_copy`). */
  readonly copyBetweenEqualGaps: boolean;
  /** AMX's gradients of weights, of 3 x 3 and more, end the process from 384 pixels a row on. */
  readonly weightGradientsOfWideRows: boolean;
  /** AMX's gradients of dilated kernels' weights are wrong for more than 32 inputs that are no multiple of 16. */
  readonly weightGradientsOfDilatedRests: boolean;
}

const byVersion: Readonly<Record<2 | 3, Faults>> = {
  2: {
    reluBehindSumOfBlocksOf8: true,
    sumInPlaceOfPaddedChannels: true,
    twoFactorsInAChain: true,
    copyBetweenEqualGaps: false,
    weightGradientsOfWideRows: true,
    weightGradientsOfDilatedRests: true,
  },
  3: {
    reluBehindSumOfBlocksOf8: false,
    sumInPlaceOfPaddedChannels: false,
    twoFactorsInAChain: false,
    copyBetweenEqualGaps: true,
    weightGradientsOfWideRows: false,
    weightGradientsOfDilatedRests: true,
  },
};

export function faultsOf({ abi }: OneDnn): Faults {
  return byVersion[abi.major];
}
