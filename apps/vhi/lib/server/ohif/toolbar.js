/** Buttons of the viewer's own segmentation panel: MONAI Label's mode names them and does not bring them. */

import { t } from './texts.js';

const evaluated = (toolNames) => ({
  name: 'evaluate.cornerstone.segmentation',
  toolNames,
  disabledText: t('viewer.open_case_first'),
});

function brush(id, label, icon, toolNames) {
  const key = id.toLowerCase();
  return {
    id,
    icon,
    label,
    evaluate: evaluated(toolNames),
    options: [
      {
        name: t('viewer.radius'),
        id: `${key}-radius`,
        type: 'range',
        min: 0.5,
        max: 30,
        step: 0.5,
        value: 4,
        commands: { commandName: 'setBrushSize', commandOptions: { toolNames } },
      },
      {
        name: t('viewer.shape'),
        type: 'radio',
        id: `${key}-mode`,
        value: toolNames[0],
        values: [
          { value: toolNames[0], label: t('viewer.circle') },
          { value: toolNames[1], label: t('viewer.sphere') },
        ],
        commands: 'setToolActiveToolbar',
      },
    ],
  };
}

const SHAPES = { CircleScissor: t('viewer.circle'), SphereScissor: t('viewer.sphere'), RectangleScissor: t('viewer.rectangle') };

export const BUTTONS = [
  {
    id: 'BrushTools',
    uiType: 'ohif.buttonGroup',
    props: {
      groupId: 'BrushTools',
      items: [
        brush('Brush', t('viewer.brush'), 'icon-tool-brush', ['CircularBrush', 'SphereBrush']),
        brush('Eraser', t('viewer.eraser'), 'icon-tool-eraser', ['CircularEraser', 'SphereEraser']),
      ],
    },
  },
  {
    id: 'Shapes',
    uiType: 'ohif.radioGroup',
    props: {
      icon: 'icon-tool-shape',
      label: t('viewer.shapes'),
      evaluate: evaluated(Object.keys(SHAPES)),
      options: [
        {
          name: t('viewer.shape'),
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
