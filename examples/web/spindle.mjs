/* A compiled network in a page, or in node: `const model = await load("model.wasm")`, then
 * `model.see(picture)`.
 *
 * The file is all there is: code, weights, labels and preparation, as
 * `spindle compile MODEL --target wasm32 -o model.wasm` writes it.  Nothing is sent anywhere.
 *
 * @typedef {{width: number, height: number, data: ArrayLike<number>}} Pixels  RGBA or RGB bytes
 * @typedef {Pixels | CanvasImageSource} Picture
 * @typedef {{label: string, score: number}} Named
 * @typedef {Named & {left: number, top: number, right: number, bottom: number}} Box
 * @typedef {Named & {x: number, y: number}} Point
 * @typedef {{task: "classify", classes: Named[]}
 *   | {task: "detect", boxes: Box[]}
 *   | {task: "segment", width: number, height: number, pixels: Int32Array,
 *      shares: {[label: string]: number}}
 *   | {task: "pose", points: Point[]}
 *   | {task: "embed", vector: Float32Array}} Answer  all places are in the picture's own pixels
 */

const ERRORS = [
    "", "it was given no memory", "its sides are not 1 to 16384 pixels", "the weights are missing",
    "there is no place for the answer", "there is no such thread",
];
const ALIGNED = 64, PAGE = 65536;
// a function that makes a vector: what every model of the target wasm32 wants to be understood
const VECTOR = Uint8Array.of(
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
);

/** What this browser lacks, in words; empty where it has all that is needed. */
export function lacking() {
    if (typeof WebAssembly !== "object") return "WebAssembly, which every browser has had since 2017";
    if (!WebAssembly.validate(VECTOR))
        return "the vectors of WebAssembly: Chrome has them since 91, Firefox since 89, Safari since 16.4";
    return "";
}

/**
 * @param {string | URL | Response | BufferSource} source  where the model is, or its bytes
 * @returns {Promise<Model>}
 */
export async function load(source) {
    if (lacking()) throw new Error(`this browser lacks ${lacking()}`);
    const [bytes, name] = await fetched(source);
    if (!WebAssembly.validate(bytes)) {
        const begin = new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, Math.min(bytes.byteLength, 4));
        throw new Error(begin.join() === "0,97,115,109"
            ? `this browser cannot run ${name}: compile it with --target wasm32`
            : `${name} is no compiled model: spindle compile MODEL --target wasm32 -o model.wasm`);
    }
    return new Model((await WebAssembly.instantiate(bytes)).instance.exports, bytes.byteLength);
}

async function fetched(source) {
    if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return [source, "this"];
    const answer = source instanceof Response ? source : await fetch(source);
    const name = new URL(answer.url || String(source), "file:").pathname.split("/").pop();
    if (!answer.ok) throw new Error(`${name} cannot be had: the server says ${answer.status}`);
    return [await answer.arrayBuffer(), name];
}

export class Model {
    #code;
    #outputs; // of each: where it lies, and how its numbers are read
    #free; // where what the answers leave of the memory begins

    constructor(code, bytes) {
        if (!code.model_run) throw new Error("this is wasm, but no model that Spindle has compiled");
        this.#code = code;
        this.info = JSON.parse(this.#text(code.model_info()));
        this.bytes = bytes;
        this.task = this.info.task;
        this.labels = this.info.labels;
        this.#free = aligned(code.__heap_base.value);
        this.#outputs = this.info.outputs.map(({ shape, dtype }) => {
            const count = shape.reduce((all, side) => all * side, 1), at = this.#free;
            this.#free = aligned(at + 4 * count);
            return { at, count, Kind: { float32: Float32Array, int32: Int32Array }[dtype] };
        });
        this.#room(this.#free);
    }

    /**
     * What the network says of a picture.
     * @param {Picture} picture  an image, a video, a canvas, ImageData, or any {width, height, data}
     * @param {number} threshold  the least score of a box that is worth giving
     * @returns {Answer}
     */
    see(picture, threshold = 0.3) {
        const { width, height, data } = pixels(picture);
        const output = this.#run(width, height, data);
        const { preprocessing, task, outputs } = this.info;
        const [rows, columns] = outputs[0].shape;
        const frame = seen(width, height, preprocessing);
        const across = share => (frame.left + share * frame.width) * width;
        const down = share => (frame.top + share * frame.height) * height;
        const within = (place, most) => Math.min(Math.max(place, 0), most);
        const named = (i, word = "class") => this.labels[i] ?? `${word} ${i}`;
        switch (task) {
            case "classify": {
                const classes = Array.from(output, (score, i) => ({ label: named(i), score }));
                return { task, classes: classes.sort((a, b) => b.score - a.score) };
            }
            case "detect": {
                const boxes = groups(output, 6)
                    .filter(([, , , , score, kind]) => score >= threshold && kind >= 0)
                    .map(([left, top, right, bottom, score, kind]) => ({
                        label: named(kind), score,
                        left: within(across(left), width), top: within(down(top), height),
                        right: within(across(right), width), bottom: within(down(bottom), height),
                    }));
                return { task, boxes };
            }
            case "segment": {
                const x = places(width, frame.left, frame.width, columns);
                const y = places(height, frame.top, frame.height, rows);
                const mask = new Int32Array(width * height), counts = [];
                for (let row = 0, at = 0; row < height; row++)
                    for (let column = 0; column < width; column++, at++) {
                        const inside = y[row] >= 0 && x[column] >= 0; // what is not seen is class 0
                        const kind = inside ? output[y[row] * columns + x[column]] : 0;
                        mask[at] = kind;
                        counts[kind] = (counts[kind] ?? 0) + 1;
                    }
                const shares = {};
                Object.entries(counts).sort((a, b) => b[1] - a[1]).forEach(([kind, count]) => {
                    shares[named(kind)] = (shares[named(kind)] ?? 0) + count / mask.length;
                });
                return { task, width, height, pixels: mask, shares };
            }
            case "pose":
                return {
                    task,
                    points: groups(output, 3).map(([x, y, score], i) => (
                        { label: named(i, "point"), x: across(x), y: down(y), score }
                    )),
                };
            default:
                return { task, vector: output };
        }
    }

    /** The first output for a picture of any size; it is fitted in C, as it was in training. */
    #run(width, height, data) {
        const code = this.#code, bytes = width * height * 3;
        const pointers = this.#free;
        const rgb = aligned(pointers + 4 * this.#outputs.length), arena = aligned(rgb + bytes);
        this.#room(arena + (code.model_arena(width, height) >>> 0));
        const memory = code.memory.buffer;
        new Uint32Array(memory, pointers).set(this.#outputs.map(output => output.at));
        toRgb(data, new Uint8Array(memory, rgb, bytes));
        const error = code.model_run(code.model_weights(), arena, rgb, width, height, pointers);
        if (error) throw new Error(`the network cannot look at this picture: ${ERRORS[error]}`);
        const { at, count, Kind } = this.#outputs[0];
        return new Kind(memory, at, count).slice();
    }

    #room(end) {
        const { memory } = this.#code, short = end - memory.buffer.byteLength;
        if (short > 0) memory.grow(Math.ceil(short / PAGE));
    }

    #text(at) {
        const bytes = new Uint8Array(this.#code.memory.buffer, at);
        return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
    }
}

const aligned = address => Math.ceil(address / ALIGNED) * ALIGNED;

const groups = (numbers, size) =>
    Array.from({ length: numbers.length / size }, (_, i) => numbers.subarray(i * size, i * size + size));

/** RGBA, or RGB already, as RGB. */
function toRgb(data, to) {
    if (data.length === to.length) return to.set(data);
    if (data.length * 3 !== to.length * 4)
        throw new Error(`a picture has 3 or 4 bytes a pixel; ${data.length} bytes are none of these`);
    for (let from = 0, at = 0; at < to.length; from += 4) {
        to[at++] = data[from];
        to[at++] = data[from + 1];
        to[at++] = data[from + 2];
    }
}

let canvas;

/** The pixels of whatever a canvas can draw. */
function pixels(picture) {
    if (picture.data) return picture;
    const width = picture.videoWidth ?? picture.naturalWidth ?? picture.displayWidth ?? picture.width;
    const height = picture.videoHeight ?? picture.naturalHeight ?? picture.displayHeight ?? picture.height;
    if (!width || !height) throw new Error("this picture has no pixels yet: wait until it is loaded");
    canvas ??= typeof OffscreenCanvas === "function"
        ? new OffscreenCanvas(width, height) : document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
}

/** The part of a picture that the network sees, in shares; it may reach beyond the picture. */
function seen(width, height, image) {
    if (image.fit === "pad") {
        const scale = Math.min(image.width / width, image.height / height);
        const inner = [width, height].map(side => Math.max(even(side * scale), 1));
        return { left: 0, top: 0, width: image.width / inner[0], height: image.height / inner[1] };
    }
    if (image.fit === "crop") {
        const side = Math.min(width / image.width, height / image.height) * image.fraction;
        const across = Math.min((side * image.width) / width, 1);
        const down = Math.min((side * image.height) / height, 1);
        return { left: (1 - across) / 2, top: (1 - down) / 2, width: across, height: down };
    }
    return { left: 0, top: 0, width: 1, height: 1 };
}

/** The nearest whole number, and of two the even one, as Python rounds. */
function even(value) {
    const low = Math.floor(value);
    return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

/** For each pixel along a side, which of `extent` parts of what is seen it lies in, or -1. */
const places = (count, start, length, extent) => Int32Array.from({ length: count }, (_, i) => {
    const part = Math.floor((((i + 0.5) / count - start) / length) * extent);
    return part < extent ? Math.max(part, -1) : -1;
});
