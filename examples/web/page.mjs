/* The page: a picture that is chosen, dropped or pasted, or the camera's, and what the network says.
 *
 * index.html?model=other.wasm&picture=cat.jpg opens another model, and begins with a picture.
 */
import { load } from "./spindle.mjs";

const $ = id => document.getElementById(id);
const asked = new URLSearchParams(location.search);
const MOST = 8; // lines of an answer
const colour = i => `hsl(${(i * 137.5 + 210) % 360} 75% 55%)`;
let model, about, stream;

$("file").onchange = event => show(event.target.files[0]);
document.onpaste = event => show(event.clipboardData.files[0]);
document.ondragover = event => event.preventDefault();
document.ondrop = event => {
    event.preventDefault();
    show(event.dataTransfer.files[0]);
};
$("camera").onclick = () => (stream ? stop() : film());

function tell(text, kind = "") {
    $("about").textContent = text;
    $("about").className = kind;
}

const wrong = error => tell(error.message, "wrong");

async function show(file) {
    if (!file || !model) return;
    stop();
    try {
        look(await createImageBitmap(file)); // upright, as the camera was held
    } catch (error) {
        wrong(error.name === "InvalidStateError" ? new Error("this file is no picture") : error);
    }
}

async function film() {
    if (!navigator.mediaDevices) // browsers lend the camera to safe places only
        return wrong(new Error("there is no camera here: serve this page by https, or from localhost"));
    try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
        return wrong(new Error(`the camera cannot be used: ${error.message}`));
    }
    const video = Object.assign(document.createElement("video"), { srcObject: stream, muted: true });
    video.playsInline = true;
    await video.play();
    $("camera").textContent = "Stop";
    const next = () => {
        if (!stream) return;
        look(video);
        requestAnimationFrame(next);
    };
    next();
}

function stop() {
    stream?.getTracks().forEach(track => track.stop());
    stream = undefined;
    $("camera").textContent = "Camera";
}

function look(picture) {
    const began = performance.now(), answer = model.see(picture);
    const took = performance.now() - began;
    tell(about);
    const canvas = $("canvas"), pen = canvas.getContext("2d");
    canvas.width = picture.videoWidth ?? picture.width;
    canvas.height = picture.videoHeight ?? picture.height;
    pen.drawImage(picture, 0, 0);
    draw(pen, answer);
    $("answer").replaceChildren(...lines(answer).slice(0, MOST).map(line));
    $("time").textContent = `${took.toFixed(took < 10 ? 1 : 0)} ms, picture to answer`;
}

/** What an answer says: words, shares of 1, and how a number is written where it is none. */
function lines(answer) {
    switch (answer.task) {
        case "classify": return answer.classes.map(({ label, score }) => [label, score]);
        case "detect": return answer.boxes.map(({ label, score }) => [label, score]);
        case "segment": return Object.entries(answer.shares);
        case "pose": return answer.points.map(({ label, score }) => [label, score]);
        default: return [[`${answer.vector.length} numbers`, 1]];
    }
}

function line([label, share]) {
    const meter = Object.assign(document.createElement("meter"), { value: share });
    const item = document.createElement("li");
    item.append(span(label), meter, span(share.toFixed(2)));
    return item;
}

function span(text) {
    return Object.assign(document.createElement("span"), { textContent: text });
}

function draw(pen, answer) {
    const { width, height } = pen.canvas, thick = Math.max(Math.min(width, height) / 150, 1);
    pen.lineWidth = thick;
    pen.font = `${8 * thick}px system-ui, sans-serif`;
    const kind = label => Math.max(model.labels.indexOf(label), 0);
    switch (answer.task) {
        case "detect":
            for (const { label, left, top, right, bottom } of answer.boxes) {
                pen.strokeStyle = pen.fillStyle = colour(kind(label));
                pen.strokeRect(left, top, right - left, bottom - top);
                pen.fillRect(left, top, pen.measureText(label).width + 4 * thick, 10 * thick);
                pen.fillStyle = "white";
                pen.fillText(label, left + 2 * thick, top + 8 * thick);
            }
            break;
        case "segment": {
            const picture = pen.getImageData(0, 0, width, height), layer = new Map();
            const paint = i => { // as a canvas understands the colour
                pen.fillStyle = colour(i);
                pen.fillRect(0, 0, 1, 1);
                return pen.getImageData(0, 0, 1, 1).data;
            };
            answer.pixels.forEach((i, at) => {
                if (!i) return; // the background stays as it is
                if (!layer.has(i)) layer.set(i, paint(i));
                for (let band = 0; band < 3; band++)
                    picture.data[4 * at + band] = (picture.data[4 * at + band] + layer.get(i)[band]) / 2;
            });
            pen.putImageData(picture, 0, 0);
            break;
        }
        case "pose":
            answer.points.forEach(({ x, y }, i) => {
                pen.fillStyle = colour(i);
                pen.beginPath();
                pen.arc(x, y, 2 * thick, 0, 7);
                pen.fill();
            });
    }
}

try {
    model = await load(asked.get("model") ?? "model.wasm");
    const { width, height } = model.info.preprocessing, size = (model.bytes / 1e6).toFixed(1);
    $("title").textContent = `To ${model.task}`;
    const names = model.labels.length ? `${model.labels.length} names, ` : "";
    about = `${names}pictures of ${width} x ${height}, ${size} MB in all. `
        + "It runs here: no picture leaves this page.";
    tell(about);
    $("ask").hidden = false;
    if (asked.get("picture")) await show(await (await fetch(asked.get("picture"))).blob());
} catch (error) {
    wrong(error);
}
