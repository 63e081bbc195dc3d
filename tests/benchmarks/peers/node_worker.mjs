// Answers of face-api.js or Human for the pictures of a job, in Node with TensorFlow.js's WebAssembly backend.
//
// node node_worker.mjs PEER JOB.json ANSWERS.json NODE_MODULES
//
// A picture is RGB bytes; a face is [box or null, age in years, is male], as in python_worker.py.

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const [, , peer, jobFile, answersFile, modules] = process.argv;
const require = createRequire(path.join(modules, 'none.js'));
const at = (...parts) => path.join(modules, ...parts);
const wasmFolder = at('@tensorflow', 'tfjs-backend-wasm', 'dist') + path.sep;

async function faceApi() {
  require('@tensorflow/tfjs-backend-wasm').setWasmPaths(wasmFolder);
  const api = require(at('@vladmandic', 'face-api', 'dist', 'face-api.node-wasm.js'));
  await api.tf.setBackend('wasm');
  await api.tf.ready();
  const weights = at('@vladmandic', 'face-api', 'model');
  for (const net of ['ssdMobilenetv1', 'faceLandmark68Net', 'ageGenderNet']) await api.nets[net].loadFromDisk(weights);
  const face = (answer, box) => [box, answer.age, answer.gender === 'male'];
  const options = new api.SsdMobilenetv1Options({ minConfidence: 0.5, maxResults: 10 });
  return {
    tf: api.tf,
    found: async (picture) => {
      const faces = await api.detectAllFaces(picture, options).withFaceLandmarks().withAgeAndGender();
      return faces.map(({ detection: { box }, ...answer }) => face(answer, [box.left, box.top, box.right, box.bottom]));
    },
    whole: async (picture) => face(await api.nets.ageGenderNet.predictAgeAndGender(picture), null),
  };
}

async function human() {
  // Its loader asks fetch for file addresses, which Node's own does not read.
  globalThis.fetch = async (address) => new Response(fs.readFileSync(fileURLToPath(String(address.url ?? address))));
  const { Human } = require(at('@vladmandic', 'human', 'dist', 'human.node-wasm.js'));
  const off = { enabled: false };
  const detector = new Human({
    backend: 'wasm', wasmPath: wasmFolder, modelBasePath: `file://${at('@vladmandic', 'human', 'models')}/`,
    debug: false, cacheSensitivity: 0, body: off, hand: off, gesture: off, object: off, segmentation: off, filter: off,
    face: {
      enabled: true, detector: { maxDetected: 10, rotation: false, minConfidence: 0.2 }, mesh: off, iris: off,
      attention: off, emotion: off, antispoof: off, liveness: off, description: { enabled: true },
    },
  });
  await detector.load();
  const answer = async (picture) => {
    const { face } = await detector.detect(picture);
    return face.map(({ box: [x, y, width, height], age, gender }) => [[x, y, x + width, y + height], age, gender === 'male']);
  };
  // It has no public call for a picture that is one face.
  return { tf: detector.tf, found: answer, whole: null };
}

const job = JSON.parse(fs.readFileSync(jobFile, 'utf8'));
const started = performance.now();
let running;
try {
  running = await { 'face-api.js': faceApi, Human: human }[peer]();
} catch (error) {
  fs.writeFileSync(answersFile, JSON.stringify({ missing: String(error.message).split('\n')[0] }));
  process.exit(0);
}
if (!job.detect && !running.whole) {
  fs.writeFileSync(answersFile, JSON.stringify({ missing: 'it has no call for a picture that is one face' }));
  process.exit(0);
}
const loaded = performance.now();
const content = fs.readFileSync(job.pictures);
const answers = [];
const milliseconds = [];
for (const [offset, height, width] of job.shapes) {
  const bytes = new Uint8Array(content.subarray(offset, offset + 3 * height * width));
  const begun = performance.now();
  const picture = running.tf.tensor3d(bytes, [height, width, 3], 'int32');
  answers.push(job.detect ? await running.found(picture) : [await running.whole(picture)]);
  milliseconds.push(performance.now() - begun);
  picture.dispose();
}
fs.writeFileSync(answersFile, JSON.stringify({ answers, milliseconds, load_seconds: (loaded - started) / 1000 }));
process.exit(0);
