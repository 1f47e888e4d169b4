/** `espalier/models`: the graphs of all models, and initial weights. */
export { densenet40, densenet121 } from "../models/densenet.ts";
export { fastnet } from "../models/fastnet.ts";
export { initialize } from "../models/initialize.ts";
export { mobilenetV2, smallMobilenetV2 } from "../models/mobilenet.ts";
export type { ImageOptions } from "../models/options.ts";
export { peleenet } from "../models/peleenet.ts";
export type { ResnetDepth, ResnetOptions, Shortcut } from "../models/resnet.ts";
export { resnet } from "../models/resnet.ts";
export type { ImagenetResnetDepth, ImagenetResnetOptions } from "../models/resnet-imagenet.ts";
export { imagenetResnet } from "../models/resnet-imagenet.ts";
export { preactResnet, resnet164 } from "../models/resnet-preact.ts";
export type {
  ImagenetResnextDepth,
  ImagenetResnextOptions,
  ResnextDepth,
  ResnextOptions,
} from "../models/resnext.ts";
export { imagenetResnext, resnext } from "../models/resnext.ts";
export { imagenetVgg16, vgg16 } from "../models/vgg.ts";
export type { ModelDefaults } from "../models/zoo.ts";
export { model, modelDefaults, modelNames } from "../models/zoo.ts";
