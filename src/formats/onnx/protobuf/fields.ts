/** ONNX message fields by number. Generated from onnx.proto by `node scripts/generate-protobuf.mjs`; do not edit. */
import type { Field } from "./field.ts";
import type { Messages } from "./messages.ts";

export const fieldsOf: { readonly [Name in keyof Messages]: readonly Field[] } = {
  ModelProto: [
    { number: 1, name: "irVersion", type: "int64", repeated: false },
    { number: 2, name: "producerName", type: "string", repeated: false },
    { number: 3, name: "producerVersion", type: "string", repeated: false },
    { number: 4, name: "domain", type: "string", repeated: false },
    { number: 5, name: "modelVersion", type: "int64", repeated: false },
    { number: 6, name: "docString", type: "string", repeated: false },
    { number: 7, name: "graph", type: "GraphProto", repeated: false },
    { number: 8, name: "opsetImport", type: "OperatorSetIdProto", repeated: true },
    { number: 14, name: "metadataProps", type: "StringStringEntryProto", repeated: true },
  ],
  OperatorSetIdProto: [
    { number: 1, name: "domain", type: "string", repeated: false },
    { number: 2, name: "version", type: "int64", repeated: false },
  ],
  StringStringEntryProto: [
    { number: 1, name: "key", type: "string", repeated: false },
    { number: 2, name: "value", type: "string", repeated: false },
  ],
  GraphProto: [
    { number: 1, name: "node", type: "NodeProto", repeated: true },
    { number: 2, name: "name", type: "string", repeated: false },
    { number: 5, name: "initializer", type: "TensorProto", repeated: true },
    { number: 10, name: "docString", type: "string", repeated: false },
    { number: 11, name: "input", type: "ValueInfoProto", repeated: true },
    { number: 12, name: "output", type: "ValueInfoProto", repeated: true },
    { number: 13, name: "valueInfo", type: "ValueInfoProto", repeated: true },
    { number: 15, name: "sparseInitializer", type: "SparseTensorProto", repeated: true },
  ],
  NodeProto: [
    { number: 1, name: "input", type: "string", repeated: true },
    { number: 2, name: "output", type: "string", repeated: true },
    { number: 3, name: "name", type: "string", repeated: false },
    { number: 4, name: "opType", type: "string", repeated: false },
    { number: 5, name: "attribute", type: "AttributeProto", repeated: true },
    { number: 7, name: "domain", type: "string", repeated: false },
  ],
  AttributeProto: [
    { number: 1, name: "name", type: "string", repeated: false },
    { number: 2, name: "f", type: "float", repeated: false },
    { number: 3, name: "i", type: "int64", repeated: false },
    { number: 4, name: "s", type: "bytes", repeated: false },
    { number: 5, name: "t", type: "TensorProto", repeated: false },
    { number: 7, name: "floats", type: "float", repeated: true },
    { number: 8, name: "ints", type: "int64", repeated: true },
    { number: 9, name: "strings", type: "bytes", repeated: true },
    { number: 20, name: "type", type: "int32", repeated: false },
  ],
  TensorProto: [
    { number: 1, name: "dims", type: "int64", repeated: true },
    { number: 2, name: "dataType", type: "int32", repeated: false },
    { number: 4, name: "floatData", type: "float", repeated: true },
    { number: 5, name: "int32Data", type: "int32", repeated: true },
    { number: 7, name: "int64Data", type: "int64", repeated: true },
    { number: 8, name: "name", type: "string", repeated: false },
    { number: 9, name: "rawData", type: "bytes", repeated: false },
    { number: 10, name: "doubleData", type: "double", repeated: true },
    { number: 11, name: "uint64Data", type: "uint64", repeated: true },
    { number: 13, name: "externalData", type: "StringStringEntryProto", repeated: true },
    { number: 14, name: "dataLocation", type: "int32", repeated: false },
  ],
  SparseTensorProto: [
    { number: 1, name: "values", type: "TensorProto", repeated: false },
    { number: 2, name: "indices", type: "TensorProto", repeated: false },
    { number: 3, name: "dims", type: "int64", repeated: true },
  ],
  ValueInfoProto: [
    { number: 1, name: "name", type: "string", repeated: false },
    { number: 2, name: "type", type: "TypeProto", repeated: false },
  ],
  TypeProto: [{ number: 1, name: "tensorType", type: "TensorTypeProto", repeated: false }],
  TensorTypeProto: [
    { number: 1, name: "elemType", type: "int32", repeated: false },
    { number: 2, name: "shape", type: "TensorShapeProto", repeated: false },
  ],
  TensorShapeProto: [{ number: 1, name: "dim", type: "DimensionProto", repeated: true }],
  DimensionProto: [
    { number: 1, name: "dimValue", type: "int64", repeated: false },
    { number: 2, name: "dimParam", type: "string", repeated: false },
  ],
};
