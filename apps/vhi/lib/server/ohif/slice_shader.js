/**
 * A slice by one sample a pixel. The viewer draws slices by its shader for whole volumes, which looks for each pixel where a ray enters and
 * leaves the six sides of the volume, and is ready to walk along it; without a graphics card that took most of the time of a drawing, and
 * as long again to be compiled. Of a ray between the two planes on either side of a slice the sample where it begins is all that is drawn
 * (the volume is opaque, and the label map is looked up at the pixel), so this looks for that one alone.
 */

// the start and end of a ray between the two planes, as the viewer's own shader has it
const BETWEEN_PLANES = /for\(int i = 0; i < 2; i\+\+\) \{\n {2}float rayDirRatio[\s\S]*?\n\}\n/;
const VOLUME = ['#define vtkBlendMode 0', '#define vtkLightComplexity 0'];
const OUTLINED_LABELS = ['#define vtkBlendMode 1', '#define vtkImageLabelOutlineOn']; // looked up at the pixel itself

const main = (between) => `void main()
{
#ifdef vtkImageLabelOutlineOn
  // nearly all of a label map is empty: before the plane is met and colours are looked up
  if (int(getTextureValue(fragCoordToIndexSpace(gl_FragCoord)).r * 255.0) == 0) discard;
#endif
  vec3 rayDir = vec3(0.0, 0.0, -1.0);
  rayDirVC = rayDir;
  vec3 tstep = 1.0/vec3(volumeDimensions);
  vec2 dists = vec2(0.0, -camThick/rayDir.z);
  ${between}
  vec3 posIS = VCtoIS(vertexVCVSOutput + dists.x*rayDir);
  if (dists.y <= dists.x || posIS != clamp(posIS, 0.0, 1.0)) discard;
#if vtkBlendMode == 0
  fragOutput0 = getColorForValue(getTextureValue(posIS), posIS, tstep);
  fragOutput0.a = 1.0 - pow(1.0 - fragOutput0.a, (dists.y - dists.x)/sampleDistance);
#else
  fragOutput0 = getColorForValue(vec4(0.0), posIS, tstep);
#endif
}
`;

/** The viewer's source of a shader, with one sample a pixel where it draws a slice; whatever else it draws as it is. */
export function sliceShader(source) {
  const [between] = source.match(BETWEEN_PLANES) ?? [];
  const isSlice = [VOLUME, OUTLINED_LABELS].some((defined) => defined.every((one) => source.includes(`${one}\n`)));
  return between && isSlice ? source.slice(0, source.lastIndexOf('void main()')) + main(between) : source;
}

// graphics computed by the processor: Chrome's and Firefox's own, Mesa's and Windows' renderers
const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render/i;

const known = new WeakMap(); // by context: an answer waits for all that was asked to be drawn before

/** Whether a context draws without a graphics card. */
export function drawsBySoftware(context) {
  if (!known.has(context)) {
    const info = context.getExtension('WEBGL_debug_renderer_info');
    known.set(context, SOFTWARE.test(context.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : context.RENDERER)));
  }
  return known.get(context);
}

/** From now on, where there is no graphics card: with one the viewer's own shader is as quick. */
export function sampleSlicesOnce() {
  const plain = WebGL2RenderingContext.prototype.shaderSource;
  WebGL2RenderingContext.prototype.shaderSource = function (shader, source) {
    return plain.call(this, shader, drawsBySoftware(this) ? sliceShader(source) : source);
  };
}
