/** Buttons of the viewer's own segmentation panel: MONAI Label's mode names them and does not bring them. */

const evaluated = (toolNames) => ({
  name: 'evaluate.cornerstone.segmentation',
  toolNames,
  disabledText: 'Open a case first.',
});

function brush(id, icon, toolNames) {
  const key = id.toLowerCase();
  return {
    id,
    icon,
    label: id,
    evaluate: evaluated(toolNames),
    options: [
      {
        name: 'Radius (mm)',
        id: `${key}-radius`,
        type: 'range',
        min: 0.5,
        max: 30,
        step: 0.5,
        value: 4,
        commands: { commandName: 'setBrushSize', commandOptions: { toolNames } },
      },
      {
        name: 'Shape',
        type: 'radio',
        id: `${key}-mode`,
        value: toolNames[0],
        values: [
          { value: toolNames[0], label: 'Circle' },
          { value: toolNames[1], label: 'Sphere' },
        ],
        commands: 'setToolActiveToolbar',
      },
    ],
  };
}

const SHAPES = { CircleScissor: 'Circle', SphereScissor: 'Sphere', RectangleScissor: 'Rectangle' };

export const BUTTONS = [
  {
    id: 'BrushTools',
    uiType: 'ohif.buttonGroup',
    props: {
      groupId: 'BrushTools',
      items: [
        brush('Brush', 'icon-tool-brush', ['CircularBrush', 'SphereBrush']),
        brush('Eraser', 'icon-tool-eraser', ['CircularEraser', 'SphereEraser']),
      ],
    },
  },
  {
    id: 'Shapes',
    uiType: 'ohif.radioGroup',
    props: {
      icon: 'icon-tool-shape',
      label: 'Shapes',
      evaluate: evaluated(Object.keys(SHAPES)),
      options: [
        {
          name: 'Shape',
          type: 'radio',
          id: 'shape-mode',
          value: 'CircleScissor',
          values: Object.entries(SHAPES).map(([value, label]) => ({ value, label })),
          commands: 'setToolActiveToolbar',
        },
      ],
    },
  },
];
