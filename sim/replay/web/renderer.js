// Draws a replay with plain WebGL2: every vertex rides on a track, and all tracks of all frames lie in one float
// texture per figure, so that a frame is one draw call a figure and motion between frames is interpolated on the GPU.
"use strict";

const TRACKS_WIDTH = 1024;   // texels per row of the track texture; two texels a track: (x, y, z, touching), quaternion wxyz
const SHADOW_SIZE = 2048;

const TRACK_GLSL = `
uniform highp sampler2D tracks;
uniform int numTracks, frame0, frame1;
uniform float blend;
vec4 texel(int i) { return texelFetch(tracks, ivec2(i % ${TRACKS_WIDTH}, i / ${TRACKS_WIDTH}), 0); }
vec3 turn(vec4 q, vec3 v) { vec3 t = 2.0 * cross(q.yzw, v); return v + q.x * t + cross(q.yzw, t); }
void pose(int track, out vec4 position, out vec4 q) {
  int a = 2 * (frame0 * numTracks + track), b = 2 * (frame1 * numTracks + track);
  position = mix(texel(a), texel(b), blend);
  q = normalize(mix(texel(a + 1), texel(b + 1), blend));
}`;

const BODY_VERTEX = `#version 300 es
precision highp float; precision highp int;
layout(location = 0) in vec3 position;
layout(location = 1) in vec3 normal;
layout(location = 2) in uint track;
uniform mat4 viewProjection, lightMatrix;
uniform vec4 marker;       // a contact point: where on its track, and its radius; radius 0 draws the shapes themselves
uniform int markerTrack, numBodyTracks;
uniform vec3 bodyColour, objectColour, touchColour, markerColour;
out vec3 vWorld, vNormal, vColour;
out vec4 vLight;
out float vGlow;
${TRACK_GLSL}
void main() {
  bool isMarker = marker.w > 0.0;
  int id = isMarker ? markerTrack : int(track);
  vec4 p, q;
  pose(id, p, q);
  vWorld = p.xyz + turn(q, isMarker ? marker.xyz + marker.w * position : position);
  vNormal = turn(q, normal);
  bool isBody = id < numBodyTracks;
  float touching = isBody ? p.w : 0.0;
  vColour = isMarker ? markerColour : isBody ? mix(bodyColour, touchColour, touching) : objectColour;
  vGlow = isMarker ? 0.6 : 0.18 * touching;
  vLight = lightMatrix * vec4(vWorld, 1.0);
  gl_Position = viewProjection * vec4(vWorld, 1.0);
}`;

const SHADOW_GLSL = `
uniform highp sampler2DShadow shadowMap;
float lit(vec4 light, float bias) {
  vec3 p = light.xyz / light.w * 0.5 + 0.5;
  if (any(lessThan(p, vec3(0.0))) || any(greaterThan(p, vec3(1.0)))) return 1.0;
  float sum = 0.0;
  for (int x = -2; x <= 2; x++) for (int y = -2; y <= 2; y++)
    sum += texture(shadowMap, vec3(p.xy + vec2(x, y) * ${(1.1 / SHADOW_SIZE).toFixed(7)}, p.z - bias));
  return sum / 25.0;
}`;

const BODY_FRAGMENT = `#version 300 es
precision highp float;
in vec3 vWorld, vNormal, vColour;
in vec4 vLight;
in float vGlow;
uniform vec3 eye, sun, sky, bounce;
uniform float alpha;
out vec4 colour;
${SHADOW_GLSL}
void main() {
  vec3 n = normalize(vNormal), view = normalize(eye - vWorld);
  if (dot(n, view) < 0.0) n = -n;
  float facing = max(dot(n, sun), 0.0);
  float direct = facing * lit(vLight, mix(0.0035, 0.0012, facing));
  float occlusion = mix(0.72, 1.0, smoothstep(0.0, 0.5, vWorld.z));    // a cheap dimming near the floor
  vec3 light = mix(bounce, sky, 0.5 + 0.5 * n.z) * occlusion + 1.55 * direct;
  float gloss = pow(max(dot(n, normalize(sun + view)), 0.0), 40.0) * direct * 0.16;
  float rim = pow(1.0 - max(dot(n, view), 0.0), 3.0) * 0.14;
  vec3 linear = vColour * (light + vGlow * 2.0) + gloss + rim * sky;
  linear = linear / (1.0 + 0.22 * linear);
  colour = vec4(pow(linear, vec3(1.0 / 2.2)), alpha);
}`;

const FLOOR_VERTEX = `#version 300 es
precision highp float;
uniform mat4 viewProjection, lightMatrix;
uniform vec3 focus;
out vec3 vWorld;
out vec4 vLight;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
  vWorld = vec3(focus.xy + 40.0 * corner, 0.0);
  vLight = lightMatrix * vec4(vWorld, 1.0);
  gl_Position = viewProjection * vec4(vWorld, 1.0);
}`;

const FLOOR_FRAGMENT = `#version 300 es
precision highp float;
in vec3 vWorld;
in vec4 vLight;
uniform vec3 eye, focus, floorColour, lineColour, background;
out vec4 colour;
${SHADOW_GLSL}
float lines(float spacing, float width) {
  vec2 p = vWorld.xy / spacing, w = fwidth(p);
  vec2 d = abs(fract(p - 0.5) - 0.5) / max(w, 1e-5);
  float fade = 1.0 - smoothstep(0.15, 0.5, max(w.x, w.y));
  return fade * (1.0 - min(min(d.x, d.y) / width, 1.0));
}
void main() {
  float far = smoothstep(3.0, 13.0, distance(vWorld.xy, focus.xy));
  vec3 c = mix(floorColour, lineColour, max(0.85 * lines(1.0, 1.6), 0.30 * lines(0.25, 1.2)));
  c *= mix(0.60, 1.0, lit(vLight, 0.0012));
  colour = vec4(mix(c, background, far), 1.0);
}`;

const PALETTES = {
  light: { background: "#eef1f5", floor: "#e3e7ed", line: "#b9c1cd", sky: [0.80, 0.84, 0.90], bounce: [0.42, 0.40, 0.40] },
  dark: { background: "#14181e", floor: "#1d232b", line: "#39434f", sky: [0.46, 0.50, 0.58], bounce: [0.20, 0.20, 0.22] },
};

const linear = (hex) => [1, 3, 5].map((i) => Math.pow(parseInt(hex.slice(i, i + 2), 16) / 255, 2.2));
const plain = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);

// 3-vectors and column-major 4x4 matrices
const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const unit = (a) => { const n = Math.hypot(...a) || 1; return a.map((x) => x / n); };
function product(a, b) {
  const m = new Float32Array(16);
  for (let c = 0; c < 4; c++) for (let r = 0; r < 4; r++)
    for (let k = 0; k < 4; k++) m[4 * c + r] += a[4 * k + r] * b[4 * c + k];
  return m;
}
function lookAt(eye, target, up) {
  const z = unit(sub(eye, target)), x = unit(cross(up, z)), y = cross(z, x);
  return new Float32Array([x[0], y[0], z[0], 0, x[1], y[1], z[1], 0, x[2], y[2], z[2], 0, -dot(x, eye), -dot(y, eye), -dot(z, eye), 1]);
}
function perspective(height, aspect, near, far) {
  const f = 1 / Math.tan(height / 2);
  return new Float32Array([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / (near - far), -1, 0, 0, 2 * far * near / (near - far), 0]);
}
function orthographic(half, near, far) {
  return new Float32Array([1 / half, 0, 0, 0, 0, 1 / half, 0, 0, 0, 0, -2 / (far - near), 0, 0, 0, -(far + near) / (far - near), 1]);
}

function decode(base64, Type) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Type(bytes.buffer);
}

function sphere(rings, segments) {
  const vertices = [], faces = [];
  for (let i = 0; i <= rings; i++) for (let j = 0; j <= segments; j++) {
    const a = Math.PI * i / rings, b = 2 * Math.PI * j / segments;
    vertices.push(Math.sin(a) * Math.cos(b), Math.sin(a) * Math.sin(b), Math.cos(a));
    if (i && j) {
      const k = i * (segments + 1) + j;
      faces.push(k, k - 1, k - segments - 2, k, k - segments - 2, k - segments - 1);
    }
  }
  return { positions: new Float32Array(vertices), normals: Int8Array.from(vertices, (v) => Math.round(127 * v)),
    tracks: new Uint8Array(vertices.length / 3), faces: new Uint32Array(faces) };
}

class Renderer {
  // scene: the JSON of `sim.replay.html`; throws where the browser has no WebGL2
  constructor(canvas, scene) {
    const gl = canvas.getContext("webgl2", { antialias: true, alpha: false, preserveDrawingBuffer: true });
    if (!gl) throw new Error("This browser has no WebGL2, so the 3D replay cannot be drawn.");
    this.gl = gl;
    this.canvas = canvas;
    this.scene = scene;
    this.setTheme("light");
    this.body = this.program(BODY_VERTEX, BODY_FRAGMENT);
    this.floor = this.program(FLOOR_VERTEX, FLOOR_FRAGMENT);
    this.shapes = this.mesh({
      positions: decode(scene.shapes.positions, Float32Array), normals: decode(scene.shapes.normals, Int8Array),
      tracks: decode(scene.shapes.tracks, Uint8Array), faces: decode(scene.shapes.faces, Uint32Array),
    });
    this.ball = this.mesh(sphere(10, 14));
    this.nothing = gl.createVertexArray();
    this.figures = scene.figures.map((figure) => ({ ...figure, texture: this.trackTexture(decode(figure.tracks, Float32Array)) }));
    this.makeShadowMap();
    gl.enable(gl.DEPTH_TEST);
    gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
  }

  setTheme(name) { this.palette = PALETTES[name] || PALETTES.light; }

  program(vertex, fragment) {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    const at = {};
    for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i++) {
      const { name } = gl.getActiveUniform(program, i);
      at[name] = gl.getUniformLocation(program, name);
    }
    return { program, at };
  }

  mesh({ positions, normals, tracks, faces }) {
    const gl = this.gl, array = gl.createVertexArray();
    gl.bindVertexArray(array);
    const fill = (target, data) => { gl.bindBuffer(target, gl.createBuffer()); gl.bufferData(target, data, gl.STATIC_DRAW); };
    fill(gl.ARRAY_BUFFER, positions);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, 0, 0);
    fill(gl.ARRAY_BUFFER, normals);
    gl.vertexAttribPointer(1, 3, gl.BYTE, true, 0, 0);
    fill(gl.ARRAY_BUFFER, tracks);
    gl.vertexAttribIPointer(2, 1, gl.UNSIGNED_BYTE, 0, 0);
    for (const i of [0, 1, 2]) gl.enableVertexAttribArray(i);
    fill(gl.ELEMENT_ARRAY_BUFFER, faces);
    gl.bindVertexArray(null);
    return { array, count: faces.length };
  }

  trackTexture(values) {
    const gl = this.gl, rows = Math.ceil(values.length / 4 / TRACKS_WIDTH), texture = gl.createTexture();
    const padded = new Float32Array(rows * TRACKS_WIDTH * 4);
    padded.set(values);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA32F, TRACKS_WIDTH, rows, 0, gl.RGBA, gl.FLOAT, padded);
    for (const f of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, f, gl.NEAREST);
    return texture;
  }

  makeShadowMap() {
    const gl = this.gl;
    this.shadowMap = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.shadowMap);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.DEPTH_COMPONENT24, SHADOW_SIZE, SHADOW_SIZE, 0, gl.DEPTH_COMPONENT, gl.UNSIGNED_INT, null);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_COMPARE_MODE, gl.COMPARE_REF_TO_TEXTURE);
    this.shadowBuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.shadowBuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.TEXTURE_2D, this.shadowMap, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  // views: [{figures: [{index, ghost}], box: [x, y, width, height] in pixels, y up}]; camera: {eye, target};
  // frame: may lie between two frames; contacts: whether to show where body and objects touch
  draw(views, camera, frame, contacts) {
    const gl = this.gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.SCISSOR_TEST);
    gl.clearColor(...plain(this.palette.background), 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const sun = unit([0.35, -0.45, 1.0]);
    const focus = [camera.target[0], camera.target[1], 0.6];
    const from = focus.map((f, i) => f + 8 * sun[i]);
    const light = product(orthographic(3.6, 1, 16), lookAt(from, focus, [0, 1, 0]));
    for (const view of views) {
      this.pass = { light, sun, focus, frame, contacts, eye: camera.eye };
      this.drawShadows(view);
      const [x, y, width, height] = view.box;
      this.pass.camera = product(perspective(0.611, width / height, 0.05, 80), lookAt(camera.eye, camera.target, [0, 0, 1]));
      gl.enable(gl.SCISSOR_TEST);
      gl.viewport(x, y, width, height);
      gl.scissor(x, y, width, height);
      this.drawFloor();
      for (const { index, ghost } of view.figures) if (!ghost) this.drawFigure(this.figures[index], this.pass.camera, 1);
      for (const { index, ghost } of view.figures) if (ghost) this.drawGhost(this.figures[index]);
    }
  }

  drawShadows(view) {
    const gl = this.gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.shadowBuffer);
    gl.disable(gl.SCISSOR_TEST);
    gl.viewport(0, 0, SHADOW_SIZE, SHADOW_SIZE);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    for (const { index, ghost } of view.figures) if (!ghost) this.drawFigure(this.figures[index], this.pass.light, 1, true);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  drawFloor() {
    const gl = this.gl, { at, program } = this.floor;
    gl.useProgram(program);
    gl.bindVertexArray(this.nothing);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, this.shadowMap);
    gl.uniform1i(at.shadowMap, 1);
    gl.uniformMatrix4fv(at.viewProjection, false, this.pass.camera);
    gl.uniformMatrix4fv(at.lightMatrix, false, this.pass.light);
    gl.uniform3fv(at.focus, this.pass.focus);
    gl.uniform3fv(at.floorColour, plain(this.palette.floor));
    gl.uniform3fv(at.lineColour, plain(this.palette.line));
    gl.uniform3fv(at.background, plain(this.palette.background));
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  // a translucent figure: depth first, so that its own far side does not show through
  drawGhost(figure) {
    const gl = this.gl;
    gl.colorMask(false, false, false, false);
    this.drawFigure(figure, this.pass.camera, 1);
    gl.colorMask(true, true, true, true);
    gl.enable(gl.BLEND);
    gl.depthFunc(gl.LEQUAL);
    this.drawFigure(figure, this.pass.camera, 0.42);
    gl.depthFunc(gl.LESS);
    gl.disable(gl.BLEND);
  }

  drawFigure(figure, camera, alpha, isShadow = false) {
    const gl = this.gl, { at, program } = this.body, { pass, palette, scene } = this;
    gl.useProgram(program);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, isShadow ? null : this.shadowMap);   // never read what is being written
    gl.uniform1i(at.shadowMap, 1);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, figure.texture);
    gl.uniform1i(at.tracks, 0);
    const sample = Math.min(pass.frame / scene.stride, scene.samples - 1), frame = Math.floor(sample);
    gl.uniform1i(at.numTracks, scene.tracks.length);
    gl.uniform1i(at.numBodyTracks, scene.numBodyTracks);
    gl.uniform1i(at.frame0, frame);
    gl.uniform1i(at.frame1, Math.min(frame + 1, scene.samples - 1));
    gl.uniform1f(at.blend, sample - frame);
    gl.uniform1f(at.alpha, alpha);
    gl.uniformMatrix4fv(at.viewProjection, false, camera);
    gl.uniformMatrix4fv(at.lightMatrix, false, pass.light);
    gl.uniform3fv(at.eye, pass.eye);
    gl.uniform3fv(at.sun, pass.sun);
    gl.uniform3fv(at.sky, palette.sky);
    gl.uniform3fv(at.bounce, palette.bounce);
    const bodyColour = linear(figure.colour);
    gl.uniform3fv(at.bodyColour, bodyColour);
    gl.uniform3fv(at.objectColour, linear(scene.colours.object));
    gl.uniform3fv(at.touchColour, pass.contacts ? linear(scene.colours.touch) : bodyColour);
    gl.uniform3fv(at.markerColour, linear(scene.colours.marker));
    gl.uniform4f(at.marker, 0, 0, 0, 0);
    gl.bindVertexArray(this.shapes.array);
    gl.drawElements(gl.TRIANGLES, this.shapes.count, gl.UNSIGNED_INT, 0);
    if (!pass.contacts || isShadow) return;
    gl.depthRange(0, 0.02);   // in front of everything: a touched point lies under the hand
    gl.bindVertexArray(this.ball.array);
    for (const [track, x, y, z, first, last] of figure.contacts) {
      if (pass.frame < first - 0.5 || pass.frame > last + 0.5) continue;
      gl.uniform4f(at.marker, x, y, z, 0.018);
      gl.uniform1i(at.markerTrack, track);
      gl.drawElements(gl.TRIANGLES, this.ball.count, gl.UNSIGNED_INT, 0);
    }
    gl.depthRange(0, 1);
  }
}
